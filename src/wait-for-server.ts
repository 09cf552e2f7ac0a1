import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from './telemetry/logger.js';

/** A server that the service cannot do without did not answer in time. */
export class ServerUnreachable extends Error {
  constructor(server: string, cause: unknown) {
    super(`${server}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = 'ServerUnreachable';
  }
}

const WAIT_TIMEOUT_MS = 30_000;
const RETRY_INTERVAL_MS = 250;

/**
 * Tries until a server answers, since servers and service are often started together.
 *
 * @param signal ends the wait early
 * @param mayRetry whether a failure may be one of the moment; what is not is thrown as it is
 * @throws ServerUnreachable after 30 s, or the signal's reason
 */
export async function waitForServer<T>(
  server: string,
  logger: Logger,
  signal: AbortSignal,
  connect: () => Promise<T>,
  mayRetry: (error: unknown) => boolean = () => true,
): Promise<T> {
  const deadlineMs = performance.now() + WAIT_TIMEOUT_MS;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await connect();
    } catch (error) {
      signal.throwIfAborted();
      if (!mayRetry(error)) throw error;
      if (performance.now() > deadlineMs) throw new ServerUnreachable(server, error);
      if (attempt === 1) logger.warn({ server, reason: String(error) }, 'Waiting for a server');
      await sleep(RETRY_INTERVAL_MS, undefined, { signal });
    }
  }
}
