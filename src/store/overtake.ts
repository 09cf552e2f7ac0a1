import type { Pool, PoolClient } from 'pg';

/** How often what holds the statement up is looked for. */
const LOOK_MS = 500;

/**
 * Of the sessions that hold another one up, those of the same kind of process that have been in one transaction for long.
 * A leader's transactions last milliseconds.
 */
const END_BLOCKERS = `
  select pg_terminate_backend(pid) from pg_stat_activity
  where pid = any(pg_blocking_pids($1)) and application_name = current_setting('application_name')
    and xact_start < now() - interval '5 seconds'`;

/**
 * Runs a new leader's first statement ahead of what the former one left unfinished. A process that is stopped within a
 * transaction keeps the lock of its checkpoint, within a COPY for as long as a statement may take: its session is ended.
 * To be called by whoever has the lease.
 */
export async function overtake<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  // A client that breaks while checked out emits an error beside rejecting its query; unheard, it ends the process.
  const ignoreBroken = (): void => undefined;
  client.on('error', ignoreBroken);
  let looking: NodeJS.Timeout | undefined;
  let broken: Error | undefined;
  try {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    // Where a look fails, the next one follows; that the statement itself fails, its own time limit sees to.
    looking = setInterval(() => pool.query(END_BLOCKERS, [rows[0]?.pid]).catch(() => undefined), LOOK_MS);
    return await work(client);
  } catch (error) {
    broken = error instanceof Error ? error : new Error(String(error));
    throw error;
  } finally {
    clearInterval(looking);
    client.off('error', ignoreBroken);
    client.release(broken);
  }
}
