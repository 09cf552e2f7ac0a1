import { type DestinationStream, type Logger, pino } from 'pino';

/** Paths that may hold secrets, should anybody ever log an object that has them. */
const REDACTED = [
  'authorization',
  'headers.authorization',
  'req.headers.authorization',
  'password',
  '*.password',
  'token',
  '*.token',
  'secret',
  '*.secret',
  'databaseUrl',
  '*.databaseUrl',
];

/** The service's logger: one line of JSON an entry on standard output. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = { level, redact: REDACTED, base: { service: 'metrics-service' } };
  return destination === undefined ? pino(options) : pino(options, destination);
}

export type { Logger };
