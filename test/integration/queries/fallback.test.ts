import { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../../src/devservices/index.js';
import { SummaryWorker } from '../../../src/projections/summary-worker.js';
import { CountsReader } from '../../../src/queries/counts-reader.js';
import { type DashboardQuestion, DashboardSource } from '../../../src/queries/dashboard-source.js';
import { GetDashboard, GetDashboardHandler } from '../../../src/queries/get-dashboard.js';
import { GetPrometheusHandler } from '../../../src/queries/get-prometheus.js';
import { GetServicesHealthHandler } from '../../../src/queries/get-services-health.js';
import { GetSummary, GetSummaryHandler } from '../../../src/queries/get-summary.js';
import { PostgresSource } from '../../../src/queries/postgres-source.js';
import { RedisSource } from '../../../src/queries/redis-source.js';
import { SessionReader } from '../../../src/queries/session-reader.js';
import type { Summary } from '../../../src/queries/summary.js';
import { SummaryLag } from '../../../src/queries/summary-lag.js';
import { QueryUnavailable } from '../../../src/queries/unavailable.js';
import { migrate } from '../../../src/store/migrate.js';
import { openPool } from '../../../src/store/postgres.js';
import { openRedis } from '../../../src/store/redis.js';
import { createServiceMetrics } from '../../../src/telemetry/service-metrics.js';
import { BUSINESS, foldEvents } from '../../support/fold-events.js';
import { foldAllSessions } from '../../support/fold-sessions.js';
import { randomEvents } from '../../support/random-events.js';
import { startTestPostgres, startTestRedis, testDatabase, waitFor } from '../../support/servers.js';

const EVENTS = 1_500;
const DAY_MS = 86_400_000;
const LIMITS = { errorRate: 0.05, responseTimeMs: 2_000, intervalSeconds: 300 };
/** A hanging Redis is waited for once, for a second; what is beyond is the machine's. */
const MAX_FIRST_ANSWER_MS = 2_000;

interface Bench {
  readonly nowMs: number;
  readonly server: ManagedServer;
  readonly postgres: ManagedServer;
  readonly worker: SummaryWorker;
  readonly pool: Pool;
  readonly fallbacks: string[];
  readonly summary: () => Promise<Summary>;
  readonly dashboards: GetDashboardHandler;
  readonly health: GetServicesHealthHandler;
  readonly prometheus: GetPrometheusHandler;
  readonly stop: () => Promise<void>;
}

async function open(postgres: ManagedServer): Promise<Bench> {
  const [server, database] = await Promise.all([startTestRedis(), testDatabase({ server: postgres })]);
  const onError = (): void => undefined;
  const pool = openPool({ databaseUrl: database.url, maxConnections: 6, applicationName: 'test', onError });
  const connect = (): Redis => openRedis({ host: '127.0.0.1', port: server.port, password: '', db: 0 }, 5_000, onError);
  const [redis, workersRedis] = [connect(), connect()];
  const nowMs = Date.now();
  await foldEvents(pool, randomEvents(EVENTS, 7, nowMs, 10));
  await foldAllSessions(pool);
  const logger = pino({ level: 'silent' });
  const metrics = createServiceMetrics();
  const dependencies = { pool, redis: workersRedis, databaseUrl: database.url, business: BUSINESS, logger, metrics };
  const worker = new SummaryWorker({ ...dependencies, retentionDays: 90, holder: 'test' });
  worker.start();
  await waitFor('summaries', () => (worker.state.kind === 'running' && worker.state.sequence === EVENTS) || undefined);
  const fallbacks: string[] = [];
  const reader = new CountsReader({
    redis: new RedisSource(redis, new SummaryLag(pool, Date.now)),
    postgres: new PostgresSource(pool, BUSINESS),
    now: Date.now,
    onFallback: (reason) => fallbacks.push(reason),
  });
  const alerts = () => Promise.resolve([]);
  // The windows' bounds stay what they are, while the reader's own waits go on.
  const now = (): number => nowMs;
  const summary = new GetSummaryHandler(reader, new SessionReader(pool), LIMITS, alerts, now);
  return {
    nowMs,
    server,
    postgres,
    worker,
    pool,
    fallbacks,
    summary: () => summary.execute(new GetSummary('7d')),
    dashboards: new GetDashboardHandler(reader, new DashboardSource(pool, BUSINESS), LIMITS, alerts, now),
    health: new GetServicesHealthHandler(reader, LIMITS, now),
    prometheus: new GetPrometheusHandler(reader, alerts, now),
    stop: async () => {
      redis.disconnect();
      await worker.stop();
      workersRedis.disconnect();
      await pool.end();
      await server.stop();
    },
  };
}

/** Of this file's own, since some tests kill it. */
let postgres: ManagedServer | undefined;
let opened: Bench | undefined;
function bench(): Bench {
  if (opened === undefined) throw new Error('not opened');
  return opened;
}

const test = suite('queries while Redis or Postgres is away');
test.before(async () => {
  postgres = await startTestPostgres();
  await migrate(postgres.url);
  opened = await open(postgres);
});
test.after(async () => {
  await opened?.stop();
  await postgres?.stop();
});

/** What is answered while nothing is away; each test leaves things so, but for the last two. */
function normalAnswer(): Promise<Summary> {
  return waitFor('an answer from Redis', async () => {
    const summary = await bench().summary();
    return summary.degraded ? undefined : summary;
  });
}

/** The answer without what tells where it came from. */
function numbersOf({ source: _source, degraded: _degraded, ...numbers }: Summary): object {
  return numbers;
}

async function expectFallback(normal: Summary): Promise<void> {
  const startMs = performance.now();
  const answer = await bench().summary();
  assert.ok(performance.now() - startMs < MAX_FIRST_ANSWER_MS);
  assert.equal([answer.source, answer.degraded], ['postgres', true]);
  assert.equal(numbersOf(answer), numbersOf(normal));
}

async function expectReturn(normal: Summary): Promise<void> {
  assert.equal(await normalAnswer(), normal);
}

/** Without the check of readiness, which a busy Redis refuses. */
async function command(name: string, ...words: readonly string[]): Promise<unknown> {
  const client = new Redis(bench().server.port, '127.0.0.1', { enableReadyCheck: false });
  client.on('error', () => undefined);
  try {
    return await client.call(name, ...words);
  } finally {
    client.disconnect();
  }
}

function commandLine(line: string): Promise<unknown> {
  const [name = '', ...words] = line.split(' ');
  return command(name, ...words);
}

test('Redis that was killed: the same numbers from Postgres, and from Redis again when it is back', async () => {
  const normal = await normalAnswer();
  assert.equal([normal.source, normal.degraded], ['redis', false]);
  await bench().server.kill();
  await expectFallback(normal);
  assert.is(bench().fallbacks.length, 1);
  await bench().server.start();
  await expectReturn(normal);
});

test('Redis that hangs costs one query a wait of a second, and the next none', async () => {
  const normal = await normalAnswer();
  bench().server.signal('SIGSTOP');
  await expectFallback(normal);
  const startMs = performance.now();
  await Promise.all(Array.from({ length: 20 }, () => expectFallback(normal)));
  assert.ok(performance.now() - startMs < 900);
  bench().server.signal('SIGCONT');
  await expectReturn(normal);
});

test('Redis that is busy with a script', async () => {
  const normal = await normalAnswer();
  await command('CONFIG', 'SET', 'busy-reply-threshold', '10');
  const endless = command('EVAL', 'while true do end', '0').catch(() => undefined);
  await waitFor('BUSY', () =>
    command('GET', 'x').then(
      () => undefined,
      (error: Error) => error.message.startsWith('BUSY') || undefined,
    ),
  );
  await expectFallback(normal);
  await command('SCRIPT', 'KILL');
  await endless;
  await expectReturn(normal);
});

let folded = EVENTS;
for (const [what, begin, end] of [
  ['is full', 'CONFIG SET maxmemory 1', 'CONFIG SET maxmemory 0'],
  ['has become a replica', 'REPLICAOF 127.0.0.1 1', 'REPLICAOF NO ONE'],
] as const) {
  test(`Redis that ${what} still answers, but with what it held before: after a few seconds it is left`, async () => {
    const before = await normalAnswer();
    await commandLine(begin);
    const more = randomEvents(200, 8, bench().nowMs, 2).map((event, index) => ({
      ...event,
      id: `more${folded + index}`,
      sequence: folded + 1 + index,
    }));
    await foldEvents(bench().pool, more);
    folded += more.length;
    bench().worker.wake();
    const after = await waitFor(
      'an answer from Postgres',
      async () => {
        const summary = await bench().summary();
        return summary.degraded ? summary : undefined;
      },
      15_000,
    );
    assert.ok(after.api.requests > before.api.requests);
    await commandLine(end);
    await expectReturn({ ...after, source: 'redis', degraded: false });
  });
}

test('Postgres away: Redis answers on, and dashboards are unavailable', async () => {
  const { postgres, nowMs, dashboards, health, prometheus } = bench();
  const normal = await normalAnswer();
  const question = questionOf(nowMs);
  const dashboard = await dashboards.execute(new GetDashboard(question));
  assert.ok([288, 289].includes(dashboard.series.requests.length));
  assert.is(dashboard.summary.degraded, false);
  await postgres.kill();
  assert.equal(await bench().summary(), normal);
  assert.ok((await health.execute()).services.length > 0);
  assert.ok((await prometheus.execute()).length > 0);
  await expectUnavailable(() => dashboards.execute(new GetDashboard(question)));
  await postgres.start();
});

test('Redis that was emptied answers nothing until it is rebuilt', async () => {
  const normal = await normalAnswer();
  await bench().worker.stop();
  await command('FLUSHALL');
  await expectFallback(normal);
});

test('Redis and Postgres away: every query is unavailable by name', async () => {
  const { server, postgres, nowMs, dashboards, health, prometheus } = bench();
  await Promise.all([server.kill(), postgres.kill()]);
  await expectUnavailable(() => bench().summary());
  await expectUnavailable(() => health.execute());
  await expectUnavailable(() => prometheus.execute());
  await expectUnavailable(() => dashboards.execute(new GetDashboard(questionOf(nowMs))));
});

function questionOf(nowMs: number): DashboardQuestion {
  const range = { fromMs: nowMs - DAY_MS, toMs: nowMs, intervalSeconds: 300 };
  return { range, filters: {}, compare: false };
}

async function expectUnavailable(ask: () => Promise<unknown>): Promise<void> {
  try {
    await ask();
  } catch (error) {
    assert.instance(error, QueryUnavailable);
    return;
  }
  assert.unreachable('it answered');
}

test.run();
