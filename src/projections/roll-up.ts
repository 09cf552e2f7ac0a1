import type { Pool, PoolClient } from 'pg';
import { readCheckpoint, TABLES_PROJECTION } from '../store/checkpoints.js';
import { KEEP_TABLES } from '../store/partitions.js';
import { inTransaction } from '../store/postgres.js';
import {
  type MarkedSeconds,
  MINUTES_MARKED_MS,
  MINUTES_ROLLED_UP_MS,
  measurementSlicesSql,
  Parameters,
  REQUEST_COLUMNS,
  ROLLUP_TABLES,
  requestSlicesSql,
  type Stretch,
  userSlicesSql,
} from '../store/rollups.js';
import { DAY_S, FIVE_MINUTES_S, HOUR_S, MINUTE_S } from '../store/summary-schema.js';
import { replaceRollups } from './replace-rollups.js';

/** An event is a moment late as a rule; a minute is rolled up when it has been over for so long. */
const GRACE_SECONDS = 5;
/** A stretch that is still being written to waits for a pause of so long ... */
const QUIET_SECONDS = 5;
/** ... but no longer than this: an import of old events would otherwise keep it from ever being rolled up. */
const MAX_WAIT_SECONDS = 300;
const MAX_HOURS = 6;
const MAX_MINUTES = 60;

/** Minutes or hours that are to be rolled up together. */
export interface DueRollups {
  readonly seconds: MarkedSeconds;
  /** ms since 1970, the latest first. */
  readonly starts: readonly number[];
}

/**
 * Which stretches of time are over, were touched, and have no rollup that contains all of it. Minutes come first, since
 * those that nobody has rolled up yet are counted with every dashboard.
 *
 * @param share of the most that is rolled up together, above 0 and up to 1
 * @returns at most an hour of minutes, or six hours; undefined where nothing is due
 */
export async function findDueRollups(pool: Pool, share = 1): Promise<DueRollups | undefined> {
  for (const [seconds, limit] of [
    [MINUTE_S, MAX_MINUTES],
    [HOUR_S, MAX_HOURS],
  ] as const) {
    const { rows } = await pool.query<{ starts_at: Date }>(
      `select marks.starts_at
       from rollup_marks as marks
       left join rollups using (seconds, starts_at)
       where seconds = $1 and marks.starts_at <= now() - make_interval(secs => $1 + $2)
         and ($1 = ${HOUR_S} or marks.starts_at >= now() - make_interval(secs => $3))
         and (rollups.sequence is null or rollups.sequence < marks.sequence)
         and (
           marks.marked_at < now() - make_interval(secs => $4)
           or coalesce(rollups.rolled_up_at, marks.first_marked_at) < now() - make_interval(secs => $5)
         )
       order by marks.starts_at desc
       limit $6`,
      [seconds, GRACE_SECONDS, MINUTES_ROLLED_UP_MS / 1000, QUIET_SECONDS, MAX_WAIT_SECONDS, Math.ceil(limit * share)],
    );
    if (rows.length > 0) return { seconds, starts: rows.map((row) => row.starts_at.getTime()) };
  }
  return undefined;
}

/**
 * Counts these stretches of time in the tables and keeps the result, as of the log position of one snapshot. Rows that
 * come while it counts have a mark of a later position, so that the rollup is seen to be older.
 *
 * @param signal cancels it
 * @throws what Postgres says; a second roll-up of the same at the same time fails with 40001
 */
export async function rollUp(pool: Pool, { seconds, starts }: DueRollups, signal: AbortSignal): Promise<void> {
  await inTransaction(
    pool,
    async (client) => {
      // The first statement, which takes the snapshot.
      const checkpoint = await readCheckpoint(client, TABLES_PROJECTION);
      const times = starts.map((startMs) => new Date(startMs));
      await replaceRollups(client, pool, signal, seconds, times, checkpoint?.sequence ?? 0, () =>
        insertSlices(client, seconds, joinStretches(starts, seconds)),
      );
    },
    `begin isolation level repeatable read; ${KEEP_TABLES}`,
  );
}

async function insertSlices(client: PoolClient, seconds: MarkedSeconds, stretches: readonly Stretch[]): Promise<void> {
  const levels = 'grouping sets ((), (service_name), (service_name, method, route))';
  const requests = new Parameters();
  await client.query(
    `insert into request_rollups (seconds, starts_at, service_name, method, route, ${REQUEST_COLUMNS})
     select ${seconds}, slice.* from (${requestSlicesSql({ stretches, seconds, groups: levels }, requests)}) as slice`,
    requests.values,
  );
  const users = new Parameters();
  await client.query(
    `insert into user_rollups (seconds, starts_at, event_type, feature, events, users)
     select ${seconds}, slice.* from (${userSlicesSql({ stretches, seconds }, users)}) as slice`,
    users.values,
  );
  const measurements = new Parameters();
  await client.query(
    `insert into measurement_rollups (seconds, starts_at, service_name, metric_name, measurements, total, last_at)
     select ${seconds}, slice.* from (${measurementSlicesSql({ stretches, seconds }, measurements)}) as slice`,
    measurements.values,
  );
}

/** Neighbours as one stretch, which is looked up once. */
function joinStretches(starts: readonly number[], seconds: number): Stretch[] {
  const stretches: { fromMs: number; toMs: number }[] = [];
  for (const fromMs of [...starts].sort((a, b) => a - b)) {
    const toMs = fromMs + seconds * 1000;
    const last = stretches.at(-1);
    if (last?.toMs === fromMs) last.toMs = toMs;
    else stretches.push({ fromMs, toMs });
  }
  return stretches;
}

/** Deletes rollups and marks that nobody reads any more: of old minutes, and of hours and days past the retention. */
export async function dropOldRollups(pool: Pool, retentionDays: number): Promise<void> {
  for (const [seconds, keptSeconds] of [
    [MINUTE_S, MINUTES_MARKED_MS / 1000],
    [FIVE_MINUTES_S, MINUTES_MARKED_MS / 1000],
    // A day more, since the days of a calendar begin before a whole number of days ago.
    [HOUR_S, (retentionDays + 1) * DAY_S],
    [DAY_S, (retentionDays + 1) * DAY_S],
  ] as const) {
    // First what says that there is a rollup, last what says that there were events: between two, the tables are counted.
    for (const table of ['rollups', ...ROLLUP_TABLES, 'rollup_marks']) {
      await pool.query(`delete from ${table} where seconds = $1 and starts_at < now() - make_interval(secs => $2)`, [
        seconds,
        keptSeconds,
      ]);
    }
  }
}
