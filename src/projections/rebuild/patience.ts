import { DatabaseError, type Pool, type PoolClient } from 'pg';
import { inTransaction } from '../../store/postgres.js';
import { pause } from '../keep-leading.js';

/** Who comes while a step waits for a lock waits behind it, for at most so long. */
export const LOCK_TIMEOUT_MS = 250;
const MIN_WAIT_MS = 100;
const MAX_WAIT_MS = 2_000;
/** A reader that has a lock for longer than this is not waited for any more. */
export const PATIENCE_MS = 600_000;
/** A lock that was not to be had in time, and a deadlock. */
const BUSY = new Set(['55P03', '40P01']);

/** Somebody else had a lock all the time. Nothing is broken; the rebuild is to be resumed later. */
export class TablesBusy extends Error {
  constructor() {
    super('Somebody reads or writes the tables without a pause; `rebuild --resume` tries again');
    this.name = 'TablesBusy';
  }
}

export function isBusy(error: unknown): boolean {
  return error instanceof DatabaseError && BUSY.has(error.code ?? '');
}

/**
 * Runs a short transaction that needs locks for which others may wait: it gives up its turn after `LOCK_TIMEOUT_MS` and
 * tries again later, so that nobody is held up for long.
 *
 * @throws TablesBusy, or what `work` throws
 */
export async function withPatience<T>(
  pool: Pool,
  signal: AbortSignal,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (let attempt = 0; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await inTransaction(pool, async (client) => {
        await client.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
        return await work(client);
      });
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (performance.now() > deadlineMs) throw new TablesBusy();
      await pause(Math.min(MIN_WAIT_MS * 2 ** Math.min(attempt, 10), MAX_WAIT_MS), signal);
    }
  }
}

const LONG_STATEMENT_MS = 6 * 3_600_000;

/** Runs a statement over a whole day's rows, which may take longer than any answer may. */
export async function longQuery<R extends object>(
  pool: Pool,
  text: string,
  values: readonly unknown[] = [],
): Promise<R[]> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query(`set statement_timeout = ${LONG_STATEMENT_MS}`);
    // The client's own time limit, which the types do not know for a single statement.
    const statement = { text, values: [...values], query_timeout: LONG_STATEMENT_MS };
    const { rows } = await client.query<R>(statement);
    await client.query('reset statement_timeout');
    return rows;
  } catch (error) {
    // It is not handed on with that time limit.
    broken = error instanceof Error ? error : new Error(String(error));
    throw error;
  } finally {
    client.release(broken);
  }
}
