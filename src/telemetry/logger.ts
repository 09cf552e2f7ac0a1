import { type DestinationStream, type Logger, pino } from 'pino';

/** Paths that may hold secrets or what a person sent, should anybody ever log an object that has them. */
const KEYS = [
  'authorization',
  'cookie',
  'password',
  'token',
  'secret',
  'databaseUrl',
  'smtpUrl',
  'creds',
  'metadata',
  'tags',
  'payload',
  'user_id',
  'userId',
];
const REDACTED = KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]);

/**
 * What of an error is logged beside its type, message and stack. All else stays out: Postgres says of a row that it refuses
 * what stands in it (`detail`, `where`), drivers add the statement and its parameters.
 */
const ERROR_FIELDS = ['code', 'errno', 'syscall', 'severity', 'schema', 'table', 'column', 'constraint', 'routine'];
const MAX_CAUSES = 5;

/** Names and passwords in addresses, tokens, and addresses of email, wherever a message has them. */
const IN_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/(\b[a-z][a-z0-9+.-]{1,20}:\/\/)(?:[^\s/?#'"\\]|\\\\){1,500}@/gi, '$1[Redacted]@'],
  [/\beyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?/g, '[Redacted]'],
  [/\bBearer +[^\s'"\\]+/gi, 'Bearer [Redacted]'],
  [/[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+/g, '[Redacted]'],
];

/** The service's logger: one line of JSON an entry on standard output. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    redact: REDACTED,
    base: { service: 'metrics-service' },
    serializers: { err: describeError },
    hooks: { streamWrite: withoutSecrets },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

export type { Logger };

function describeError(error: unknown): unknown {
  return error instanceof Error ? describe(error, 0) : String(error);
}

function describe(error: Error, depth: number): Record<string, unknown> {
  const { message, stack, cause } = error;
  const described: Record<string, unknown> = { type: error.constructor.name, message, stack };
  for (const name of ERROR_FIELDS) {
    const value: unknown = Reflect.get(error, name);
    if (typeof value === 'string' || typeof value === 'number') described[name] = value;
  }
  if (depth === MAX_CAUSES) return described;
  if (cause instanceof Error) described.cause = describe(cause, depth + 1);
  // A name with several addresses, none of which answers: only these say anything.
  if (error instanceof AggregateError) {
    const errors: unknown[] = error.errors.slice(0, MAX_CAUSES);
    described.errors = errors.map((each) => (each instanceof Error ? describe(each, depth + 1) : String(each)));
  }
  return described;
}

/** Takes out of a line, as it is written, what no field's name tells. */
function withoutSecrets(line: string): string {
  return IN_TEXTS.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), line);
}
