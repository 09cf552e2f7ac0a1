import { mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { destination, multistream } from 'pino';
import { createLogger, type Logger } from '../telemetry/logger.js';

/** Relative to the project's folder. */
export const SERVICE_LOG = '.data/logs/service.log';
const MAX_LOG_BYTES = 10 * 1024 * 1024;

/** A line for a person from pino's line of JSON: what happened and why. */
export function plain(line: string): string {
  const entry: unknown = JSON.parse(line);
  if (typeof entry !== 'object' || entry === null) return line;
  const fields: Record<string, unknown> = { ...entry };
  const { level, time: _time, service: _service, msg, err, ...rest } = fields;
  if (typeof err === 'object' && err !== null && 'message' in err) rest.error = err.message;
  const details = Object.entries(rest).map(
    ([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
  );
  const kind = Number(level) >= 50 ? 'error' : 'warning';
  return `${kind}: ${String(msg ?? '')}${details.length === 0 ? '' : ` (${details.join(', ')})`}\n`;
}

/** The service's log in a file, so that the address stays readable; warnings and worse also on standard error. */
export function openDevLog(root: string, level: string): Logger {
  const path = join(root, SERVICE_LOG);
  mkdirSync(dirname(path), { recursive: true });
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > MAX_LOG_BYTES) renameSync(path, `${path}.1`);
  const terminal = { write: (line: string) => void process.stderr.write(plain(line)) };
  // Written at once: the last lines before a crash are the ones that are wanted.
  const file = destination({ dest: path, sync: true });
  return createLogger(
    level,
    multistream([
      { level: 'trace', stream: file },
      { level: 'warn', stream: terminal },
    ]),
  );
}
