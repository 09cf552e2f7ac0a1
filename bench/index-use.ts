import type { Pool } from 'pg';
import type { Environment } from '../src/config.js';
import { PostgresSource } from '../src/queries/postgres-source.js';
import { healthBounds } from '../src/queries/services-health.js';
import { SUMMARY_WINDOWS, windowBounds } from '../src/queries/windows.js';
import { CommandProcess } from '../test/support/command-process.js';
import { BUSINESS } from '../test/support/fold-events.js';
import type { BenchClient } from './http-client.js';

const LIMITS = { errorRate: 0.05, responseTimeMs: 2_000, intervalSeconds: 300 };
const FILTERS = ['', '&service=appointments', '&event_type=user_login', '&endpoint=/appointments', '&compare=previous'];
const RANGES = ['-1h', '-24h', '-7d', '-30d'];
/** Of the product's schema; docs/metrics.md names them as those that people ask. */
const PRODUCT_QUERIES = [
  `select date(created_at) as date, count(distinct user_id) as active_users
   from user_events where event_type = 'user_login' and created_at >= now() - interval '30 days'
   group by date(created_at) order by date desc`,
  `select service_name, avg(value) as avg_response_time, count(*) as request_count
   from system_metrics where metric_name = 'response_time' and timestamp >= now() - interval '1 hour'
   group by service_name`,
];
const COMMANDS = [['verify'], ['rebuild', 'all', '--dry-run', '--nice-ratio', '0'], ['erase', '--user', '1']];

/** Everything that Postgres is ever asked: each question with each filter, what stands in for Redis, and the commands. */
export async function askEverything(client: BenchClient, pool: Pool, env: Environment): Promise<void> {
  for (const range of RANGES) {
    for (const filter of FILTERS) await client.send('GET', `/metrics/dashboard?from=${range}${filter}`);
  }
  for (const query of PRODUCT_QUERIES) await pool.query(query);
  await askForRedis(pool);
  for (const command of COMMANDS) {
    const process = new CommandProcess([...command, '--json'], env);
    const status = await process.ended();
    if (status !== 0) throw new Error(`metrics ${command.join(' ')} ended with ${status}: ${process.output}`);
  }
}

async function askForRedis(pool: Pool): Promise<void> {
  const nowMs = Date.now();
  const source = new PostgresSource(pool, BUSINESS);
  for (const window of SUMMARY_WINDOWS) await source.windowCounts(windowBounds(window, nowMs).fromS, nowMs);
  const { fromS, gaugesFromS } = healthBounds(LIMITS, nowMs);
  await source.activeUsers(nowMs);
  await source.serviceCounts(fromS, gaugesFromS, nowMs);
  await source.platformCounters(nowMs, 0);
}

export interface IndexScans {
  /** Its table, and what it is. */
  readonly index: string;
  readonly scans: number;
}

/** How often each index was read, those of partitions together, the least first. */
export async function readScans(pool: Pool): Promise<readonly IndexScans[]> {
  // Each process tells what it has counted when it is idle, and at most once a second.
  await pool.query('select pg_sleep(2), pg_stat_force_next_flush(), pg_stat_clear_snapshot()');
  const { rows } = await pool.query<{ index: string; scans: string }>(
    `select coalesce(parent.relname, own.relname) || ' ' || substring(pg_get_indexdef(own.indexrelid) from 'USING (.*)$')
       as index, sum(idx_scan) as scans
     from pg_stat_user_indexes as own
     left join pg_inherits on inhrelid = own.relid
     left join pg_class as parent on parent.oid = inhparent
     where own.schemaname = 'public'
     group by 1
     order by 2, 1`,
  );
  return rows.map(({ index, scans }) => ({ index, scans: Number(scans) }));
}
