import { createConnection } from 'node:net';

const TIMEOUT_MS = 60_000;

/**
 * Sends bytes as they are over a connection of their own, and answers all that came until the service closed it.
 *
 * @param enough ends waiting before that
 * @throws where the service neither closes the connection nor answers enough within a minute
 */
export function sendRaw(
  url: string,
  parts: readonly (string | Buffer)[],
  enough: (received: string) => boolean = () => false,
): Promise<{ readonly text: string; readonly isClosed: boolean }> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = createConnection(Number(port), hostname, () => {
      for (const part of parts) socket.write(part);
    });
    let text = '';
    const finish = (isClosed: boolean): void => {
      socket.destroy();
      resolve({ text, isClosed });
    };
    socket.setTimeout(TIMEOUT_MS, () => {
      socket.destroy();
      reject(new Error(`no answer: ${text.slice(0, 500)}`));
    });
    socket.on('data', (data: Buffer) => {
      text += data.toString('latin1');
      if (enough(text)) finish(false);
    });
    // A reset after the answer is how an overlong request ends: what has come counts.
    socket.on('error', () => undefined);
    socket.on('close', () => finish(true));
  });
}

/** The status of the first answer in what came over a connection; 0 where there is none. */
export function statusOf(text: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1] ?? 0);
}
