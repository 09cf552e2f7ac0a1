import { DatabaseError, Pool, type PoolClient } from 'pg';

const CONNECT_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 30_000;
/** No query of the service may run longer; a dashboard over the whole retention included. */
const STATEMENT_TIMEOUT_MS = 60_000;
/** A process that was stopped within a transaction keeps its locks no longer than this. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 15_000;
/** A server that is stopped (half open) is noticed by this, although its socket stays up. */
const QUERY_TIMEOUT_MS = 65_000;

export interface PoolSettings {
  readonly databaseUrl: string;
  readonly maxConnections: number;
  readonly applicationName: string;
  readonly onError: (error: Error) => void;
}

/** Opens a pool of connections. A connection that breaks while idle is reported, not thrown. */
export function openPool(settings: PoolSettings): Pool {
  const pool = new Pool({
    connectionString: settings.databaseUrl,
    max: settings.maxConnections,
    application_name: settings.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
    // Compiling a statement takes longer than our statements do.
    options: '-c timezone=UTC -c jit=off',
  });
  pool.on('error', settings.onError);
  return pool;
}

/** Runs `work` in a transaction: commits what it returns, rolls back what it throws. */
export async function inTransaction<T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
  begin = 'begin',
): Promise<T> {
  const client = await pool.connect();
  // A client that breaks while checked out emits an error beside rejecting its query; unheard, it ends the process.
  const ignoreBroken = (): void => undefined;
  client.on('error', ignoreBroken);
  let broken: Error | undefined;
  try {
    await client.query(begin);
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.off('error', ignoreBroken);
    client.release(broken);
  }
}

/**
 * Cancels what a session is doing when the signal is aborted, so that a count over weeks does not hold up the end of the
 * process.
 *
 * @returns ends the watch; to be called before the session is used for anything else
 */
export async function cancelWhenAborted(pool: Pool, client: PoolClient, signal: AbortSignal): Promise<() => void> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  const cancel = (): void => {
    pool.query('select pg_cancel_backend($1)', [rows[0]?.pid]).catch(() => undefined);
  };
  signal.addEventListener('abort', cancel, { once: true });
  return () => signal.removeEventListener('abort', cancel);
}

/** What a failure of Postgres asks of whoever sent the statement. */
export const DATABASE_FAILURES = ['try_again', 'duplicate', 'missing_partition', 'refused_row'] as const;
export type DatabaseFailure = (typeof DATABASE_FAILURES)[number];

/**
 * Sorts a failure by its SQLSTATE (PostgreSQL, appendix A). Everything that is not about the row itself is worth
 * another try: a connection that broke (08, 57P), serialization (40001, 40P01), a lock or statement timeout
 * (55P03, 57014), a full disk or too many connections (53).
 */
export function classifyFailure(error: unknown): DatabaseFailure {
  if (!(error instanceof DatabaseError) || error.code === undefined) return 'try_again';
  if (error.code === '23505') return 'duplicate';
  // "no partition of relation found for row" has the code of a check violation, but names no constraint. The message
  // itself is no help: it is in the server's language.
  if (error.code === '23514' && error.constraint === undefined) return 'missing_partition';
  return error.code.startsWith('22') || error.code.startsWith('23') ? 'refused_row' : 'try_again';
}
