import { createConnection } from 'node:net';

const TIMEOUT_MS = 60_000;

/**
 * Sends bytes as they are over a connection of their own, and answers all that came until the service closed it.
 *
 * @param isHalfClosed tells the service that no more will come
 * @throws where nothing has come for a minute, and the connection is still open
 */
export function sendRaw(
  url: string,
  parts: readonly (string | Buffer)[],
  { isHalfClosed = false }: { readonly isHalfClosed?: boolean } = {},
): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = createConnection(Number(port), hostname, () => {
      for (const part of parts) socket.write(part);
      if (isHalfClosed) socket.end();
    });
    let text = '';
    socket.setTimeout(TIMEOUT_MS, () => {
      socket.destroy();
      reject(new Error(`no answer: ${text.slice(0, 500)}`));
    });
    socket.on('data', (data: Buffer) => {
      text += data.toString('latin1');
    });
    // A reset after the answer is how an overlong request ends: what has come counts.
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}

/** The status of the first answer in what came over a connection; 0 where there is none. */
export function statusOf(text: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1] ?? 0);
}
