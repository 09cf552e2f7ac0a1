import type { Pool, PoolClient } from 'pg';
import { readCheckpoint, TABLES_PROJECTION } from '../store/checkpoints.js';
import { KEEP_TABLES } from '../store/partitions.js';
import { inTransaction } from '../store/postgres.js';
import {
  type AddedUpSeconds,
  PARTS_OF,
  REQUEST_DISTRIBUTIONS,
  REQUEST_SUMS,
  REQUEST_TOTALS,
} from '../store/rollups.js';
import { DAY_S, FIVE_MINUTES_S } from '../store/summary-schema.js';
import { replaceRollups } from './replace-rollups.js';

/** How many are added up together: 4 days of hours, or 5 hours of minutes. */
const MAX_AT_ONCE: Readonly<Record<AddedUpSeconds, number>> = { [DAY_S]: 4, [FIVE_MINUTES_S]: 60 };

/** What is over and whose touched parts are all rolled up, but of which there is no rollup, or an older one. */
const DUE = `select parts.starts_at
  from (
    select date_bin(make_interval(secs => $1), starts_at, 'epoch') as starts_at, max(marks.sequence) as touched,
      bool_and(coalesce(rollups.sequence >= marks.sequence, false)) as is_ready
    from rollup_marks as marks
    left join rollups using (seconds, starts_at)
    where seconds = $2
    group by 1
  ) as parts
  left join rollups as own on own.seconds = $1 and own.starts_at = parts.starts_at
  where is_ready and parts.starts_at <= now() - make_interval(secs => $1)
    and (own.sequence is null or own.sequence < touched)
  order by parts.starts_at desc
  limit $3`;

/**
 * Makes rollups of those of their parts: a day of a busy platform has too many rows to count again, and five minutes need not
 * be counted twice.
 *
 * @param share of the most that is added up together, above 0 and up to 1
 * @returns whether there was anything to do
 */
export async function addUpRollups(
  pool: Pool,
  seconds: AddedUpSeconds,
  signal: AbortSignal,
  share = 1,
): Promise<boolean> {
  const limit = Math.ceil(MAX_AT_ONCE[seconds] * share);
  return await inTransaction(
    pool,
    async (client) => {
      const checkpoint = await readCheckpoint(client, TABLES_PROJECTION);
      // Within the snapshot: a part that was ready a moment ago may have been touched since.
      const { rows } = await client.query<{ starts_at: Date }>(DUE, [seconds, PARTS_OF[seconds], limit]);
      if (rows.length === 0) return false;
      const starts = rows.map((row) => row.starts_at);
      await replaceRollups(client, pool, signal, seconds, starts, checkpoint?.sequence ?? 0, () =>
        addParts(client, seconds, starts),
      );
      return true;
    },
    `begin isolation level repeatable read; ${KEEP_TABLES}`,
  );
}

async function addParts(client: PoolClient, seconds: AddedUpSeconds, starts: readonly Date[]): Promise<void> {
  const whole = `date_bin(interval '${seconds} seconds', starts_at, 'epoch')`;
  const parts = `seconds = ${PARTS_OF[seconds]} and ${whole} = any ($1) and starts_at >= $2`;
  const values = [starts, new Date(Math.min(...starts.map((each) => each.getTime())))];
  await client.query(
    `insert into request_rollups
       (seconds, starts_at, service_name, method, route, ${REQUEST_SUMS.join(', ')}, max_response_time_us, last_at,
        ${REQUEST_DISTRIBUTIONS.join(', ')})
     select ${seconds}, whole, service_name, method, route, ${REQUEST_SUMS.join(', ')}, max_response_time_us, last_at,
       ${REQUEST_DISTRIBUTIONS.map((column) => `merge_distributions(${column})`).join(', ')}
     from (
       select ${whole} as whole, service_name, method, route, ${REQUEST_TOTALS}, max(last_at) as last_at
       from request_rollups
       where ${parts}
       group by 1, 2, 3, 4
     ) as totals`,
    values,
  );
  await client.query(
    `insert into user_rollups (seconds, starts_at, event_type, feature, events, users)
     select ${seconds}, ${whole}, event_type, feature, sum(events), merge_users(string_agg(users, ''))
     from user_rollups
     where ${parts}
     group by 2, event_type, feature`,
    values,
  );
  await client.query(
    `insert into measurement_rollups (seconds, starts_at, service_name, metric_name, measurements, total, last_at)
     select ${seconds}, ${whole}, service_name, metric_name, sum(measurements), sum(total), max(last_at)
     from measurement_rollups
     where ${parts}
     group by 2, service_name, metric_name`,
    values,
  );
}
