import type { EnvReader } from './config-reader.js';

/** What one process takes from the network, so that nobody can exhaust it. */
export interface HttpLimits {
  /** Sockets that are open at a time; further ones are closed at once. */
  readonly maxConnections: number;
  /** From the first byte of a request to the last of its headers. */
  readonly headersTimeoutMs: number;
  /** From the first byte of a request to the last of its body. */
  readonly requestTimeoutMs: number;
  /** Over a connection on which something is going on; a client that does not read its answer is cut off by it. */
  readonly idleTimeoutMs: number;
  /** Requests that are answered at a time. */
  readonly maxInFlight: number;
  /** How late the event loop may be, on average over a second, three seconds in a row. */
  readonly maxEventLoopDelayMs: number;
  /** What bodies of batches may take together. */
  readonly maxBatchBytes: number;
  /** Of each bearer of tokens, by `sub`. */
  readonly rateLimit: { readonly requests: number; readonly windowSeconds: number };
}

const MEBIBYTE = 1_048_576;

export const HTTP_LIMITS: HttpLimits = {
  maxConnections: 10_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  idleTimeoutMs: 60_000,
  maxInFlight: 2_000,
  maxEventLoopDelayMs: 1_000,
  maxBatchBytes: 64 * MEBIBYTE,
  rateLimit: { requests: 200_000, windowSeconds: 10 },
};

/** Reads how much is taken over HTTP. */
export function readHttpLimits(read: EnvReader): HttpLimits {
  const defaults = HTTP_LIMITS;
  const milliseconds = (name: string, fallbackMs: number, max: number): number =>
    read.integer(name, fallbackMs / 1000, 1, max) * 1000;
  const limits = {
    maxConnections: read.integer('HTTP_MAX_CONNECTIONS', defaults.maxConnections, 1, 1_000_000),
    headersTimeoutMs: milliseconds('HTTP_HEADERS_TIMEOUT', defaults.headersTimeoutMs, 300),
    requestTimeoutMs: milliseconds('HTTP_REQUEST_TIMEOUT', defaults.requestTimeoutMs, 3_600),
    idleTimeoutMs: milliseconds('HTTP_IDLE_TIMEOUT', defaults.idleTimeoutMs, 3_600),
    maxInFlight: read.integer('HTTP_MAX_IN_FLIGHT', defaults.maxInFlight, 1, 100_000),
    maxEventLoopDelayMs: read.integer('HTTP_MAX_EVENT_LOOP_DELAY', defaults.maxEventLoopDelayMs, 10, 60_000),
    maxBatchBytes: read.integer('HTTP_MAX_BATCH_MEBIBYTES', defaults.maxBatchBytes / MEBIBYTE, 8, 65_536) * MEBIBYTE,
    rateLimit: {
      requests: read.integer('RATE_LIMIT_REQUESTS', defaults.rateLimit.requests, 1, 1_000_000_000),
      windowSeconds: read.integer('RATE_LIMIT_WINDOW', defaults.rateLimit.windowSeconds, 1, 3_600),
    },
  };
  if (limits.headersTimeoutMs > limits.requestTimeoutMs) {
    read.problem('HTTP_HEADERS_TIMEOUT', 'must not be longer than HTTP_REQUEST_TIMEOUT');
  }
  return limits;
}
