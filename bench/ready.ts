import type { Pool } from 'pg';
import { PARTS_OF } from '../src/store/rollups.js';
import { DAY_S, FIVE_MINUTES_S, HOUR_S, MINUTE_S } from '../src/store/summary-schema.js';
import { waitFor } from '../test/support/servers.js';
import { BenchClient } from './http-client.js';

const READY_TIMEOUT_MS = 1_800_000;
/** What ended so lately may still be written to. */
const SETTLED_SECONDS = 120;
/** Minutes older than these are on the point of being dropped. */
const MINUTES_SINCE = `now() - interval '47 hours'`;

/** What should have been rolled up by now and is not, whether it is counted in the tables or added up from its parts. */
const NOT_ROLLED_UP = `select from (
    select seconds, starts_at, sequence from rollup_marks
    union all
    select ${DAY_S}, ${wholes(DAY_S)}, max(sequence) from rollup_marks where seconds = ${PARTS_OF[DAY_S]} group by 2
    union all
    select ${FIVE_MINUTES_S}, ${wholes(FIVE_MINUTES_S)}, max(sequence)
    from rollup_marks where seconds = ${MINUTE_S} group by 2
  ) as touched
  left join rollups using (seconds, starts_at)
  where starts_at < now() - make_interval(secs => seconds + ${SETTLED_SECONDS})
    and (seconds >= ${HOUR_S} or starts_at > ${MINUTES_SINCE})
    and coalesce(rollups.sequence, -1) < touched.sequence
  limit 1`;

function wholes(seconds: number): string {
  return `date_bin(interval '${seconds} seconds', starts_at, 'epoch')`;
}

/** Waits until everything in the log is in the tables, the summaries and the rollups: as a service is that runs for long. */
export async function untilReady(client: BenchClient, pool: Pool): Promise<void> {
  await untilFolded(client);
  const isRolledUp = async (): Promise<true | undefined> =>
    (await pool.query(NOT_ROLLED_UP)).rowCount === 0 ? true : undefined;
  await waitFor('rollups', isRolledUp, READY_TIMEOUT_MS);
  await vacuum(pool);
}

/** As autovacuum would in time. Table by table, since no statement of the pool may take longer than a minute. */
async function vacuum(pool: Pool): Promise<void> {
  const { rows } = await pool.query<{ name: string; is_partitioned: boolean }>(
    `select oid::regclass::text as name, relkind = 'p' as is_partitioned
     from pg_class
     where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')`,
  );
  for (const { name, is_partitioned } of rows) await pool.query(`${is_partitioned ? '' : 'vacuum '}analyze ${name}`);
}

/** Waits until everything in the log is in the tables and the summaries. */
export async function untilFolded(client: BenchClient): Promise<void> {
  const isFolded = async (): Promise<true | undefined> => {
    // Until there are summaries and rollups, an answer from millions of rows may not come in time.
    const [status, summary] = await Promise.all(
      ['/health/detailed', '/metrics/summary'].map((path) => client.send('GET', path).catch(() => '')),
    );
    return status?.includes('"lag_events":0') === true &&
      !/"lag_events":(null|[1-9])/.test(status) &&
      summary?.includes('"source":"redis"') === true
      ? true
      : undefined;
  };
  await waitFor('tables and summaries', isFolded, READY_TIMEOUT_MS);
}

/** Waits until a service that has just been started answers from Redis: until then it counts in Postgres. */
export async function untilAnswering(port: number): Promise<void> {
  const client = await BenchClient.of(port, 1);
  await waitFor('summaries', async () =>
    (await client.send('GET', '/metrics/summary')).includes('"source":"redis"') ? true : undefined,
  );
  client.close();
}
