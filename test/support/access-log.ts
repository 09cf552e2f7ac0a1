import { readFileSync } from 'node:fs';

/** A request of a web server's access log. */
export interface LoggedRequest {
  readonly timeMs: number;
  readonly method: string;
  /** Path and query, as the client asked for it. */
  readonly target: string;
  readonly status: number;
  /** Undefined where the server wrote `-`: nothing was sent. */
  readonly responseBytes: number | undefined;
}

/** Combined log format: `host ident user [time] "method target protocol" status bytes "referrer" "agent"`. */
const LINE =
  /^\S+ \S+ \S+ \[(\d+)\/(\w{3})\/(\d+):(\d+):(\d+):(\d+) ([+-])(\d\d)(\d\d)\] "(\S+) (\S+)[^"]*" (\d{3}) (\d+|-)/;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Reads a log. @throws with the line that is none of combined log format */
export function readAccessLog(file: string): LoggedRequest[] {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  return lines.map(parseLine);
}

/** Reads one line. @throws where it is none of combined log format */
export function parseLine(line: string): LoggedRequest {
  const match = LINE.exec(line);
  if (match === null) throw new Error(`no line of combined log format: ${line}`);
  const [, day, month = '', year, hour, minute, second, sign, zoneHours, zoneMinutes, method = '', target = ''] = match;
  const offsetMinutes = (Number(zoneHours) * 60 + Number(zoneMinutes)) * (sign === '-' ? -1 : 1);
  const local = Date.UTC(
    Number(year),
    MONTHS.indexOf(month),
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  );
  const [status, bytes] = match.slice(12);
  return {
    timeMs: local - offsetMinutes * 60_000,
    method,
    target,
    status: Number(status),
    responseBytes: bytes === '-' ? undefined : Number(bytes),
  };
}

/** The body of the api event that a service `web` would have published for a request. */
export function toApiEvent(request: LoggedRequest, shiftMs: number): Record<string, unknown> {
  return {
    service_name: 'web',
    endpoint: request.target,
    method: request.method,
    status_code: request.status,
    occurred_at: new Date(request.timeMs + shiftMs).toISOString(),
    ...(request.responseBytes === undefined ? {} : { response_bytes: request.responseBytes }),
  };
}
