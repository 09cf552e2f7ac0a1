import type { Pool, PoolClient } from 'pg';
import { MARKED_SECONDS, MINUTES_MARKED_MS, ROLLUP_SECONDS, ROLLUP_TABLES } from '../store/rollups.js';
import { MINUTE_S } from '../store/summary-schema.js';

/**
 * Marks the hours and minutes that rows fall into as touched, so that their rollups of earlier positions are not used any
 * more. In the transaction of the rows: a reader sees both or none.
 *
 * @param times of the rows, ms since 1970
 * @param sequence the log position behind them
 * @param storedAtMs when the log stored the last of them; minutes long before it are never rolled up, and not marked
 */
export async function markRollups(
  client: PoolClient,
  times: Iterable<number>,
  sequence: number,
  storedAtMs: number,
): Promise<void> {
  const touched = MARKED_SECONDS.map(() => new Set<number>());
  for (const timeMs of times) {
    for (const [index, seconds] of MARKED_SECONDS.entries()) {
      if (seconds === MINUTE_S && timeMs < storedAtMs - MINUTES_MARKED_MS) continue;
      touched[index]?.add(Math.floor(timeMs / (seconds * 1000)) * seconds);
    }
  }
  const marks = MARKED_SECONDS.flatMap((seconds, index) =>
    [...(touched[index] ?? [])].map((startsAtS) => ({ seconds, startsAtS })),
  );
  if (marks.length === 0) return;
  await client.query(
    `insert into rollup_marks (seconds, starts_at, sequence)
     select seconds, to_timestamp(starts_at_s), $3
     from unnest($1::integer[], $2::bigint[]) as touched (seconds, starts_at_s)
     order by 1, 2
     on conflict (seconds, starts_at) do update set sequence = excluded.sequence, marked_at = now()`,
    [marks.map(({ seconds }) => seconds), marks.map(({ startsAtS }) => startsAtS), sequence],
  );
}

/** Below every position of the log: a rollup that contains it is never up to date. */
const NO_SEQUENCE = -1;

/**
 * Takes away the rollups of all lengths in which rows of the past were changed or taken out, in the
 * transaction that did so. They are made again. A mark alone would not do: such a change has no position in the log, and
 * a roll-up that goes on at this moment would look like one that knows of it. So a row without a position is put there:
 * that roll-up waits for it or fails.
 *
 * @param times of the rows, ms since 1970
 * @param sequence the log position of the tables
 */
export async function dropRollups(
  client: PoolClient,
  times: readonly number[],
  sequence: number,
  nowMs: number,
): Promise<void> {
  await markRollups(client, times, sequence, nowMs);
  for (const seconds of ROLLUP_SECONDS) {
    const starts = [...new Set(times.map((timeMs) => Math.floor(timeMs / (seconds * 1000)) * seconds))];
    starts.sort((a, b) => a - b);
    await client.query(
      `insert into rollups (seconds, starts_at, sequence)
       select $1, to_timestamp(starts_at_s), ${NO_SEQUENCE} from unnest($2::bigint[]) as touched (starts_at_s)
       on conflict (seconds, starts_at) do update set sequence = excluded.sequence`,
      [seconds, starts],
    );
    for (const table of ROLLUP_TABLES) {
      await client.query(
        `delete from ${table}
         where seconds = $1 and starts_at in (select to_timestamp(s) from unnest($2::bigint[]) as touched (s))`,
        [seconds, starts],
      );
    }
  }
}

/**
 * Forgets every rollup and mark. Before the first event of a log: what is there was counted in the tables of another one,
 * and as of positions that this one will reach as well. Rows of forgotten rollups are not read, and go when they are
 * rolled up again or too old.
 */
export async function forgetRollups(pool: Pool): Promise<void> {
  await pool.query('with forgotten as (delete from rollups) delete from rollup_marks');
}
