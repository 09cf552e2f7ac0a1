import { createServer } from 'node:net';

// Below the range that Linux hands to outgoing connections (32768 on): a client that dials a stopped server's port
// again and again could otherwise get that very port as its own, and the server could not come back to it.
const FIRST_PRIVATE_PORT = 20_000;
const PRIVATE_PORTS = 12_000;
const MAX_PORT_ATTEMPTS = 100;

/** Whether a server could listen on this port of `host` now. */
export function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** A port of 127.0.0.1 that is free now. Throws when none of 100 random ones is. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < MAX_PORT_ATTEMPTS; attempt++) {
    const port = FIRST_PRIVATE_PORT + Math.floor(Math.random() * PRIVATE_PORTS);
    if (await isPortFree(port)) return port;
  }
  throw new Error(`no free port found on 127.0.0.1 after ${MAX_PORT_ATTEMPTS} attempts`);
}
