// Set before anything asks for the time: where the process and the database stand must make no difference.
process.env.TZ = process.env.METRICS_TEST_ZONE ?? 'America/New_York';

import type { Redis } from 'ioredis';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../../src/devservices/index.js';
import type { LogEvent } from '../../../src/events/kinds.js';
import { findDueRollups, rollUp } from '../../../src/projections/roll-up.js';
import type { SummaryWorker } from '../../../src/projections/summary-worker.js';
import { CountsReader } from '../../../src/queries/counts-reader.js';
import type { Dashboard } from '../../../src/queries/dashboard.js';
import { parseDashboardQuestion } from '../../../src/queries/dashboard-question.js';
import { DashboardSource } from '../../../src/queries/dashboard-source.js';
import { GetDashboard, GetDashboardHandler } from '../../../src/queries/get-dashboard.js';
import { GetSummary, GetSummaryHandler } from '../../../src/queries/get-summary.js';
import { PostgresSource } from '../../../src/queries/postgres-source.js';
import { RedisSource } from '../../../src/queries/redis-source.js';
import { SessionReader } from '../../../src/queries/session-reader.js';
import { SummaryLag } from '../../../src/queries/summary-lag.js';
import { openStore, type TestStore, testPool } from '../../support/database.js';
import { BUSINESS, foldEvents } from '../../support/fold-events.js';
import { foldAllSessions } from '../../support/fold-sessions.js';
import { newSummaryWorker, testRedis } from '../../support/projection.js';
import { startTestRedis, waitFor } from '../../support/servers.js';

const LIMITS = { errorRate: 0.05, responseTimeMs: 2_000, intervalSeconds: 300 };
const HOUR_MS = 3_600_000;
const RETENTION_DAYS = 90;

interface Bench {
  readonly server: ManagedServer;
  readonly store: TestStore;
  readonly redis: Redis;
  readonly worker: SummaryWorker;
}

let opened: Bench | undefined;
function bench(): Bench {
  if (opened === undefined) throw new Error('not opened');
  return opened;
}

const test = suite(`the edges of time, in ${process.env.TZ}`);
test.before.each(async () => {
  const [server, migrated] = await Promise.all([startTestRedis(), openStore()]);
  const name = new URL(migrated.url).pathname.slice(1);
  await migrated.pool.query(`alter database ${name} set timezone to '${process.env.TZ}'`);
  // Connections that were made before keep the time zone that they had.
  const pool = testPool(migrated.url);
  const close = async (): Promise<void> => {
    await pool.end();
    await migrated.close();
  };
  const store = { ...migrated, pool, close };
  const redis = testRedis(server);
  await waitFor('Redis', () => redis.status === 'ready' || undefined);
  opened = { server, store, redis, worker: newSummaryWorker(store, redis) };
});
test.after.each(async () => {
  const { server, store, redis, worker } = bench();
  await worker.stop();
  redis.disconnect();
  await store.close();
  await server.stop();
});

/** One login, of a user of its own, at each of these times; folded into tables, sessions and Redis. */
async function login(times: readonly string[]): Promise<void> {
  const { store, worker } = bench();
  const events = times.map(
    (time, index): LogEvent => ({
      kind: 'user',
      body: { event_type: 'user_login', user_id: index + 1 },
      id: `e${index}`,
      occurredAtMs: Date.parse(time),
      timeFromLog: false,
      sequence: index + 1,
    }),
  );
  await foldEvents(store.pool, events);
  await foldAllSessions(store.pool);
  worker.start();
  await waitFor('the summaries', () =>
    worker.state.kind === 'running' && worker.state.sequence === events.length ? true : undefined,
  );
}

function handlers(now: string) {
  const { store, redis } = bench();
  const { pool } = store;
  const clock = (): number => Date.parse(now);
  const reader = new CountsReader({
    redis: new RedisSource(redis, new SummaryLag(pool, clock)),
    postgres: new PostgresSource(pool, BUSINESS),
    now: Date.now,
  });
  const alerts = () => Promise.resolve([]);
  return {
    summary: new GetSummaryHandler(reader, new SessionReader(pool), LIMITS, alerts, clock),
    dashboard: new GetDashboardHandler(reader, new DashboardSource(pool, BUSINESS), LIMITS, alerts, clock),
  };
}

async function dashboard(now: string, from: string, to: string, interval: string): Promise<Dashboard> {
  const question = parseDashboardQuestion({ from, to, interval }, Date.parse(now), RETENTION_DAYS);
  if (!question.ok) throw new Error(JSON.stringify(question.problems));
  return await handlers(now).dashboard.execute(new GetDashboard(question.value));
}

const logins = ({ series }: Dashboard) => series.logins.map(({ t, value }) => [t, value] as const);
const hoursOf = (day: string): string[] =>
  Array.from({ length: 24 }, (_, hour) => new Date(Date.parse(`${day}T00:00:00Z`) + hour * HOUR_MS).toISOString());

/** Far ahead, so that Redis does not drop what is older than it keeps. */
const DAYS: readonly {
  what: string;
  times: readonly string[];
  now: string;
  from: string;
  to: string;
  perDay: readonly (readonly [day: string, logins: number])[];
  active: { daily: number; weekly: number; monthly: number };
}[] = [
  {
    what: 'the last and the first moment of a day',
    times: ['2040-05-09T23:59:59.999Z', '2040-05-10T00:00:00.000Z', '2040-05-10T23:59:59.999Z', '2040-05-11T00:00:00Z'],
    now: '2040-05-11T00:00:00.500Z',
    from: '2040-05-09T00:00:00Z',
    to: '2040-05-12T00:00:00Z',
    perDay: [
      ['2040-05-09', 1],
      ['2040-05-10', 2],
      ['2040-05-11', 1],
    ],
    active: { daily: 1, weekly: 4, monthly: 4 },
  },
  {
    what: 'the last of 7 and of 30 days',
    times: ['2040-05-04T23:59:59.999Z', '2040-05-05T00:00:00Z', '2040-04-11T23:59:59.999Z', '2040-04-12T00:00:00Z'],
    now: '2040-05-11T12:00:00Z',
    from: '2040-05-04T00:00:00Z',
    to: '2040-05-06T00:00:00Z',
    perDay: [
      ['2040-05-04', 1],
      ['2040-05-05', 1],
    ],
    active: { daily: 0, weekly: 1, monthly: 3 },
  },
  {
    what: 'a leap day',
    times: ['2040-02-28T23:59:59.999Z', '2040-02-29T00:00:00Z', '2040-02-29T23:59:59.999Z', '2040-03-01T00:00:00Z'],
    now: '2040-02-29T23:59:59.999Z',
    from: '2040-02-28T00:00:00Z',
    to: '2040-03-01T00:00:01Z',
    perDay: [
      ['2040-02-28', 1],
      ['2040-02-29', 2],
      ['2040-03-01', 1],
    ],
    // What is dated a moment ahead counts as now.
    active: { daily: 3, weekly: 4, monthly: 4 },
  },
  ...(['2040-03-11', '2040-11-04', '2040-03-25', '2040-10-28'] as const).map((day) => ({
    what: `the day ${day}, which has 23 or 25 hours in New York or Berlin`,
    times: hoursOf(day),
    now: `${day}T23:30:00Z`,
    from: `${day}T00:00:00Z`,
    to: new Date(Date.parse(`${day}T00:00:00Z`) + 24 * HOUR_MS).toISOString(),
    perDay: [[day, 24]] as const,
    active: { daily: 24, weekly: 24, monthly: 24 },
  })),
];

for (const { what, times, now, from, to, perDay, active } of DAYS) {
  test(`${what}: by days of UTC, from Redis, tables and partitions alike`, async () => {
    await login(times);
    const wanted = perDay.map(([day, count]) => [`${day}T00:00:00.000Z`, count] as const);
    const found = await dashboard(now, from, to, '1d');
    assert.equal(logins(found), wanted);
    assert.equal(
      found.series.active_users.map(({ value }) => value),
      perDay.map(([, count]) => count),
    );
    assert.is(found.summary.users.sessions, found.summary.users.logins);

    const fromRedis = await handlers(now).summary.execute(new GetSummary('30d'));
    assert.is(fromRedis.source, 'redis');
    assert.equal(fromRedis.users.active, active);

    const { rows } = await bench().store.pool.query<{ partition: string; rows: string }>(
      'select tableoid::regclass::text as partition, count(*) as rows from user_events group by 1',
    );
    const stored = new Map(rows.map((row) => [row.partition, Number(row.rows)]));
    for (const [day, count] of perDay) assert.is(stored.get(`user_events_p${day.replaceAll('-', '')}`), count, day);

    await bench().server.kill();
    const fromTables = await handlers(now).summary.execute(new GetSummary('30d'));
    assert.is(fromTables.source, 'postgres');
    assert.equal({ ...fromTables, source: 'redis', degraded: false }, fromRedis);
  });
}

test('a day of 25 hours has 24 of UTC, each with its events', async () => {
  const day = '2040-11-04';
  await login(hoursOf(day));
  const found = await dashboard(`${day}T23:30:00Z`, `${day}T00:00:00Z`, '2040-11-05T00:00:00Z', '1h');
  assert.equal(
    logins(found),
    hoursOf(day).map((hour) => [hour, 1]),
  );
});

test('rollups of a past day on which clocks were changed say the same as the tables', async () => {
  // Not in Redis any more; rollups are made of what is over.
  const day = '2025-11-02';
  await foldEvents(
    bench().store.pool,
    hoursOf(day).map((time, index) => ({
      kind: 'user',
      body: { event_type: 'user_login', user_id: index },
      id: `d${index}`,
      occurredAtMs: Date.parse(time),
      timeFromLog: false,
      sequence: index + 1,
    })),
  );
  const ask = () => dashboard(`${day}T23:59:00Z`, `${day}T00:00:00Z`, '2025-11-03T00:00:00Z', '1h');
  const before = await ask();
  assert.equal(
    logins(before).map(([, value]) => value),
    hoursOf(day).map(() => 1),
  );
  await bench().store.pool.query(`update rollup_marks set marked_at = now() - interval '10 seconds'`);
  for (;;) {
    const due = await findDueRollups(bench().store.pool);
    if (due === undefined) break;
    await rollUp(bench().store.pool, due, new AbortController().signal);
  }
  assert.equal((await ask()).series, before.series);
});

test.run();
