import { Client } from 'pg';

/** First half of every advisory lock's key, so that other users of the database do not meet ours. */
export const LOCK_NAMESPACE = 0x4d_54_52_43;

/** Names of the service's advisory locks and the second half of their keys. */
export const LOCKS = {
  migrations: 1,
  projector: 2,
  partitions: 3,
  summaries: 4,
  rollups: 5,
  sessions: 6,
  natsServices: 7,
  rebuild: 8,
  retention: 9,
} as const;
export type LockName = keyof typeof LOCKS;

const CONNECT_TIMEOUT_MS = 10_000;

/** Runs `work` while holding a lock that only one process has at a time; waits for whoever has it now. */
export async function withAdvisoryLock<T>(databaseUrl: string, name: LockName, work: () => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: databaseUrl, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1, $2)', [LOCK_NAMESPACE, LOCKS[name]]);
    return await work();
  } finally {
    // Ending the session releases the lock.
    await client.end();
  }
}
