import { DatabaseError } from 'pg';

/** Neither Redis nor Postgres could answer (in time). HTTP turns it into 503. */
export class QueryUnavailable extends Error {
  constructor(detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.name = 'QueryUnavailable';
  }
}

/**
 * Names a failure of Postgres. Classes 22 and 42 of SQLSTATE are mistakes in our own statement, which waiting does not
 * cure: they are thrown on as they are.
 */
export function unavailable(error: unknown): unknown {
  if (error instanceof QueryUnavailable) return error;
  if (error instanceof DatabaseError && /^(22|42)/.test(error.code ?? '')) return error;
  return new QueryUnavailable('The database does not answer', { cause: error });
}

/**
 * Waits for `work`, but no longer than `timeoutMs`. The work itself goes on; whoever does it bounds it on its own.
 *
 * @throws what `onTimeout` makes, or what the work throws
 */
export async function within<T>(timeoutMs: number, work: Promise<T>, onTimeout: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(onTimeout()), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
