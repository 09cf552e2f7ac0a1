/**
 * How long the queries take over many stored events: `node dist/bench/queries.js [events] [days]`. Starts private servers,
 * prints one line a question with p50 and p99 in milliseconds.
 */
import { pino } from 'pino';
import { SummaryWorker } from '../src/projections/summary-worker.js';
import { parseDashboardRange } from '../src/queries/dashboard-range.js';
import { DashboardSource } from '../src/queries/dashboard-source.js';
import { PostgresSource } from '../src/queries/postgres-source.js';
import { RedisSource } from '../src/queries/redis-source.js';
import { healthBounds } from '../src/queries/services-health.js';
import { SummaryLag } from '../src/queries/summary-lag.js';
import { windowBounds } from '../src/queries/windows.js';
import { migrate } from '../src/store/migrate.js';
import { openPool } from '../src/store/postgres.js';
import { openRedis } from '../src/store/redis.js';
import { createServiceMetrics } from '../src/telemetry/service-metrics.js';
import { BUSINESS, foldEvents } from '../test/support/fold-events.js';
import { foldAllSessions } from '../test/support/fold-sessions.js';
import { randomEvents } from '../test/support/random-events.js';
import { startTestRedis, testDatabase, waitFor } from '../test/support/servers.js';

const events = Number(process.argv[2] ?? 500_000);
const days = Number(process.argv[3] ?? 40);
const LIMITS = { errorRate: 0.05, responseTimeMs: 2_000, intervalSeconds: 300 };
const FOLD_TIMEOUT_MS = 600_000;

const [server, database] = await Promise.all([startTestRedis(), testDatabase()]);
await migrate(database.url);
const onError = (error: Error): void => console.error(error.message);
const pool = openPool({ databaseUrl: database.url, maxConnections: 8, applicationName: 'bench', onError });
const connect = () => openRedis({ host: '127.0.0.1', port: server.port, password: '', db: 0 }, 60_000, onError);
const [redis, workersRedis] = [connect(), connect()];
const nowMs = Date.now();
const logger = pino({ level: 'silent' });

console.log(`folding ${events} events over ${days} days`);
await timed('fold into the tables', () => foldEvents(pool, randomEvents(events, 1, nowMs, days)));
await pool.query('vacuum analyze');
const worker = new SummaryWorker({
  pool,
  redis: workersRedis,
  databaseUrl: database.url,
  business: BUSINESS,
  retentionDays: 90,
  holder: 'bench',
  logger,
  metrics: createServiceMetrics(),
});
worker.start();
await timed('rebuild the summaries', () =>
  waitFor(
    'summaries',
    () => (worker.state.kind === 'running' && worker.state.sequence === events) || undefined,
    FOLD_TIMEOUT_MS,
  ),
);
await timed('fold the sessions', () => foldAllSessions(pool));

const { fromS, gaugesFromS } = healthBounds(LIMITS, nowMs);
// A new source each time, so that no answer is there already.
const fromRedis = () => new RedisSource(redis, new SummaryLag(pool, Date.now));
const fromPostgres = () => new PostgresSource(pool, BUSINESS);
for (const [name, make, times] of [
  ['redis', fromRedis, 50],
  ['postgres', fromPostgres, 5],
] as const) {
  for (const window of ['1h', '24h', '7d', '30d'] as const) {
    await measure(`${name}: window of ${window}`, times, () =>
      make().windowCounts(windowBounds(window, nowMs).fromS, nowMs),
    );
  }
  await measure(`${name}: active users`, times, () => make().activeUsers(nowMs));
  await measure(`${name}: services`, times, () => make().serviceCounts(fromS, gaugesFromS, nowMs));
  await measure(`${name}: platform counters`, times, () => make().platformCounters(nowMs, 0));
}
const kept = fromRedis();
await measure('redis: window of 30d, nothing changed', 500, () =>
  kept.windowCounts(windowBounds('30d', nowMs).fromS, nowMs),
);
for (const from of ['-24h', '-7d', '-30d']) {
  const range = parseDashboardRange({ from }, nowMs, 90);
  if (!range.ok) throw new Error(from);
  await measure(`dashboard from ${from}`, 5, () =>
    new DashboardSource(pool, BUSINESS).read({ range: range.value, filters: {}, compare: false }, nowMs),
  );
}

await worker.stop();
redis.disconnect();
workersRedis.disconnect();
await pool.end();
await server.stop();
await database.drop();

async function timed<T>(what: string, work: () => Promise<T>): Promise<void> {
  const startMs = performance.now();
  await work();
  console.log(`${what}: ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
}

async function measure(what: string, times: number, work: () => Promise<unknown>): Promise<void> {
  const took: number[] = [];
  for (let run = 0; run < times; run += 1) {
    const startMs = performance.now();
    await work();
    took.push(performance.now() - startMs);
  }
  took.sort((a, b) => a - b);
  const at = (share: number): string => (took[Math.ceil(share * took.length) - 1] ?? Number.NaN).toFixed(1);
  console.log(`${what}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms (${times} runs)`);
}
