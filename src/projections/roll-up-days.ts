import type { Pool, PoolClient } from 'pg';
import { readCheckpoint, TABLES_PROJECTION } from '../store/checkpoints.js';
import { KEEP_TABLES } from '../store/partitions.js';
import { inTransaction } from '../store/postgres.js';
import { REQUEST_DISTRIBUTIONS, REQUEST_SUMS, REQUEST_TOTALS } from '../store/rollups.js';
import { DAY_S, HOUR_S } from '../store/summary-schema.js';
import { replaceRollups } from './replace-rollups.js';

const MAX_DAYS = 4;

/** Days that are over and whose hours are all rolled up, but of which there is no rollup, or an older one. */
const DUE_DAYS = `select day
  from (
    select date_bin(interval '1 day', starts_at, 'epoch') as day, max(marks.sequence) as touched,
      bool_and(coalesce(rollups.sequence >= marks.sequence, false)) as is_ready
    from rollup_marks as marks
    left join rollups using (seconds, starts_at)
    where seconds = ${HOUR_S}
    group by 1
  ) as days
  left join rollups as own on own.seconds = ${DAY_S} and own.starts_at = day
  where is_ready and day <= now() - interval '1 day' and (own.sequence is null or own.sequence < touched)
  order by day desc
  limit ${MAX_DAYS}`;

/**
 * Makes the rollups of days of those of their hours: a day of a busy platform has too many rows to count again.
 *
 * @returns whether there was anything to do
 */
export async function rollUpDays(pool: Pool, signal: AbortSignal): Promise<boolean> {
  return await inTransaction(
    pool,
    async (client) => {
      const checkpoint = await readCheckpoint(client, TABLES_PROJECTION);
      // Within the snapshot: an hour that was ready a moment ago may have been touched since.
      const { rows } = await client.query<{ day: Date }>(DUE_DAYS);
      if (rows.length === 0) return false;
      const days = rows.map(({ day }) => day);
      await replaceRollups(client, pool, signal, DAY_S, days, checkpoint?.sequence ?? 0, () => addHours(client, days));
      return true;
    },
    `begin isolation level repeatable read; ${KEEP_TABLES}`,
  );
}

async function addHours(client: PoolClient, days: readonly Date[]): Promise<void> {
  const day = `date_bin(interval '1 day', starts_at, 'epoch')`;
  const hours = `seconds = ${HOUR_S} and ${day} = any ($1) and starts_at >= $2`;
  const values = [days, new Date(Math.min(...days.map((each) => each.getTime())))];
  await client.query(
    `insert into request_rollups
       (seconds, starts_at, service_name, method, route, ${REQUEST_SUMS.join(', ')}, max_response_time_us, last_at,
        ${REQUEST_DISTRIBUTIONS.join(', ')})
     select ${DAY_S}, day, service_name, method, route, ${REQUEST_SUMS.join(', ')}, max_response_time_us, last_at,
       ${REQUEST_DISTRIBUTIONS.map((column) => `merge_distributions(${column})`).join(', ')}
     from (
       select ${day} as day, service_name, method, route, ${REQUEST_TOTALS}, max(last_at) as last_at
       from request_rollups
       where ${hours}
       group by 1, 2, 3, 4
     ) as totals`,
    values,
  );
  await client.query(
    `insert into user_rollups (seconds, starts_at, event_type, feature, events, users)
     select ${DAY_S}, ${day}, event_type, feature, sum(events), merge_users(string_agg(users, ''))
     from user_rollups
     where ${hours}
     group by 2, event_type, feature`,
    values,
  );
  await client.query(
    `insert into measurement_rollups (seconds, starts_at, service_name, metric_name, measurements, total, last_at)
     select ${DAY_S}, ${day}, service_name, metric_name, sum(measurements), sum(total), max(last_at)
     from measurement_rollups
     where ${hours}
     group by 2, service_name, metric_name`,
    values,
  );
}
