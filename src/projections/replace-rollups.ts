import type { Pool, PoolClient } from 'pg';
import { cancelWhenAborted } from '../store/postgres.js';
import { ROLLUP_TABLES } from '../store/rollups.js';

/**
 * Replaces rollups within a transaction that sees one snapshot. Two who do so for the same at once do not both succeed:
 * one fails with 40001 and leaves no trace.
 *
 * @param sequence the log position of the snapshot
 * @param insert writes the new rows
 */
export async function replaceRollups(
  client: PoolClient,
  pool: Pool,
  signal: AbortSignal,
  seconds: number,
  starts: readonly Date[],
  sequence: number,
  insert: () => Promise<void>,
): Promise<void> {
  const stopWatching = await cancelWhenAborted(pool, client, signal);
  try {
    // First, so that of two one fails before both have written rows.
    await client.query(
      `insert into rollups (seconds, starts_at, sequence)
       select $1, starts_at, $3 from unnest($2::timestamptz[]) as due (starts_at)
       on conflict (seconds, starts_at)
         do update set sequence = excluded.sequence, rolled_up_at = excluded.rolled_up_at`,
      [seconds, starts, sequence],
    );
    for (const table of ROLLUP_TABLES) {
      await client.query(`delete from ${table} where seconds = $1 and starts_at = any($2)`, [seconds, starts]);
    }
    await insert();
  } finally {
    stopWatching();
  }
}
