/**
 * What an event costs where it is kept, and what folding it costs: `npm run bench:storage -- [days] [sessions that begin in a
 * minute]`. The demo's events are appended to a service with servers of its own; when everything is folded and rolled up,
 * each place is asked for its size. Postgres writes its log as in production.
 */

import { appendStretch } from '../src/demo/history.js';
import { MINUTE_MS, minuteOf } from '../src/demo/minute.js';
import { DEMO_SIZE } from '../src/demo/play.js';
import { tellStory } from '../src/demo/story.js';
import { EVENT_TABLES } from '../src/store/partitions.js';
import { testPool } from '../test/support/database.js';
import { openLog } from '../test/support/log.js';
import { startTestPostgres, waitFor } from '../test/support/servers.js';
import { startTestServers } from '../test/support/service.js';
import { ServiceProcess } from '../test/support/service-process.js';
import { cpuSeconds, peakBytes } from './processes.js';
import { readRedis, readRollups, readTable, readWalBytes, type Sized } from './sizes.js';

const [days = DEMO_SIZE.days, sessionsPerMinute = 2] = process.argv.slice(2).map(Number);
const READY_TIMEOUT_MS = 1_800_000;
/** Minutes are rolled up for two days alone. */
const ROLLUPS_ARE_BEHIND = `
  select from rollup_marks as marks left join rollups using (seconds, starts_at)
  where starts_at between now() - case when seconds < 3600 then interval '47 hours' else interval '400 days' end
      and now() - interval '2 hours'
    and coalesce(rollups.sequence, -1) < marks.sequence
  limit 1`;

function tell(what: string, bytes: number, events: number, note = ''): void {
  const each = (bytes / events).toFixed(1).padStart(8);
  console.log(`${what.padEnd(58)} ${(bytes / 1e6).toFixed(1).padStart(9)} MB ${each} ${note}`);
}

/** What all of them take, and each. */
function tellSizes(what: string, sizes: readonly Sized[], events: number, [note, noteOfEach = note]: string[]): void {
  const inAll = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  tell(what, inAll, events, note);
  for (const { name, bytes } of sizes) tell(`  ${name}`, bytes, events, noteOfEach);
}

const postgres = await startTestPostgres({ settings: { full_page_writes: 'on' } });
const servers = await startTestServers({ postgres });
const service = await ServiceProcess.create(servers.env);
const pool = testPool(servers.database.url, 1);
const redis = await readRedis(servers.redis.port);
try {
  await service.start();
  const processes = {
    'the service': service.pid,
    NATS: servers.nats.pid,
    Postgres: postgres.pid,
    Redis: servers.redis.pid,
  };
  const idle = Object.values(processes).map(cpuSeconds);
  const walBefore = await readWalBytes(pool);
  const log = await openLog(servers.nats.url, { appender: { maxInFlight: 4_000, ackTimeoutMs: 30_000 } });
  const nowMs = Date.now();
  const untilMinute = minuteOf(nowMs);
  let events = 0;
  await appendStretch(
    tellStory({ seed: 1, sessionsPerMinute, begunMs: nowMs, startMs: nowMs, liveMs: undefined }),
    { fromMinute: untilMinute - days * (86_400_000 / MINUTE_MS), untilMinute },
    {
      appender: log.appender,
      signal: new AbortController().signal,
      onAppended: async (appended) => {
        events += appended;
      },
    },
  );
  const client = await service.client();
  const isFolded = async (): Promise<true | undefined> => {
    const { projections } = (await client.get('/health/detailed')).json() as {
      projections: { lag_events: number | null; sequence: number }[];
    };
    return projections.every(({ lag_events, sequence }) => lag_events === 0 && sequence >= events) || undefined;
  };
  await waitFor('the fold', isFolded, READY_TIMEOUT_MS);
  const folded = Object.values(processes).map(cpuSeconds);
  const connections = await pool.query<{ name: string; count: string }>(
    `select application_name as name, count(*) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() group by 1 order by 1`,
  );
  const areRolledUp = async (): Promise<true | undefined> =>
    (await pool.query(ROLLUPS_ARE_BEHIND)).rows.length === 0 || undefined;
  await waitFor('the rollups', areRolledUp, READY_TIMEOUT_MS);
  const rolledUp = Object.values(processes).map(cpuSeconds);

  const { state } = await log.manager.streams.info('METRICS');
  console.log(
    `${events} events of ${days} days\n${''.padEnd(58)} ${'in all'.padStart(12)} ${'bytes each'.padStart(8)}`,
  );
  tell('the log (METRICS)', state.bytes, state.messages, 'an event');
  for (const table of EVENT_TABLES) {
    const { rows, sizes } = await readTable(pool, table);
    tellSizes(table, sizes, rows, [`a row, ${rows} rows`, 'a row']);
  }
  tellSizes('rollups and sessions', await readRollups(pool), days, ['a day']);
  tell("Postgres' log of changes (WAL), written meanwhile", (await readWalBytes(pool)) - walBefore, events, 'an event');
  tellSizes('Redis', await redis.sizes(), days, ['a day']);
  for (const [index, [name, pid]] of Object.entries(processes).entries()) {
    const fold = (folded[index] ?? 0) - (idle[index] ?? 0);
    const rollUp = (rolledUp[index] ?? 0) - (folded[index] ?? 0);
    const each = (seconds: number): string => ((seconds / events) * 1e6).toFixed(1);
    console.log(
      `${name}: ${each(fold)} µs of a core an event until it is folded, ${each(rollUp)} until it is rolled up; ` +
        `${(peakBytes(pid) / 1e6).toFixed(0)} MB of memory at most`,
    );
  }
  for (const { name, count } of connections.rows) console.log(`connections to Postgres of ${name}: ${count}`);
  await log.close();
} finally {
  redis.close();
  await pool.end();
  await service.end('SIGTERM');
  await servers.stop();
  await postgres.stop();
}
