import { freePort } from './ports.js';
import type { ManagedServer, Programs, Way } from './types.js';

/** What the three start functions share. */
export interface StartOptions {
  programs: Programs;
  /** Made where it is missing; keeps what was stored from one start to the next. */
  dataDir: string;
  /** A free one of 127.0.0.1 where it is not given. */
  port?: number | undefined;
  /** A file in `dataDir` where it is not given. */
  logFile?: string | undefined;
  way?: Way | undefined;
  readyTimeoutMs?: number | undefined;
  /** Whether the server on this port is up, where it does not let the usual question in. */
  isReady?: ((port: number) => Promise<boolean>) | undefined;
  /** Called with each new process before it answers, so that it can be found again whatever happens. */
  onLaunch?: ((pid: number) => void) | undefined;
}

const MAX_PORT_ATTEMPTS = 3;

/** Starts on the given port, or on free ones: between the look and the start another program may take it. */
export async function startOnPort(
  options: StartOptions,
  create: (port: number) => ManagedServer,
): Promise<ManagedServer> {
  for (let attempt = 1; ; attempt++) {
    const server = create(options.port ?? (await freePort()));
    try {
      await server.start();
      return server;
    } catch (error) {
      const taken = error instanceof Error && /address already in use|Address in use/i.test(error.message);
      if (options.port !== undefined || !taken || attempt === MAX_PORT_ATTEMPTS) throw error;
    }
  }
}
