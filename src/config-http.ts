import type { EnvReader } from './config-reader.js';

/** What one process takes from the network, so that nobody can exhaust it. */
export interface HttpLimits {
  /** Sockets that are open at a time; further ones are closed at once. */
  readonly maxConnections: number;
  /** From the first byte of a request to the last of its headers. */
  readonly headersTimeoutMs: number;
  /** From the first byte of a request to the last of its body. */
  readonly requestTimeoutMs: number;
}

export const HTTP_LIMITS: HttpLimits = { maxConnections: 10_000, headersTimeoutMs: 10_000, requestTimeoutMs: 30_000 };

/** Reads how much is taken over HTTP. */
export function readHttpLimits(read: EnvReader): HttpLimits {
  const defaults = HTTP_LIMITS;
  const milliseconds = (name: string, fallbackMs: number, max: number): number =>
    read.integer(name, fallbackMs / 1000, 1, max) * 1000;
  const limits = {
    maxConnections: read.integer('HTTP_MAX_CONNECTIONS', defaults.maxConnections, 1, 1_000_000),
    headersTimeoutMs: milliseconds('HTTP_HEADERS_TIMEOUT', defaults.headersTimeoutMs, 300),
    requestTimeoutMs: milliseconds('HTTP_REQUEST_TIMEOUT', defaults.requestTimeoutMs, 3_600),
  };
  if (limits.headersTimeoutMs > limits.requestTimeoutMs) {
    read.problem('HTTP_HEADERS_TIMEOUT', 'must not be longer than HTTP_REQUEST_TIMEOUT');
  }
  return limits;
}
