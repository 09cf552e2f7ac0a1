import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CountsSource } from '../../../src/queries/aggregates.js';
import { CountsReader } from '../../../src/queries/counts-reader.js';
import { type DashboardParameters, parseDashboardQuestion } from '../../../src/queries/dashboard-question.js';
import { DashboardSource } from '../../../src/queries/dashboard-source.js';
import { GetDashboard, GetDashboardHandler } from '../../../src/queries/get-dashboard.js';
import { GetServicesHealthHandler } from '../../../src/queries/get-services-health.js';
import { GetSummary, GetSummaryHandler } from '../../../src/queries/get-summary.js';
import { PostgresSource } from '../../../src/queries/postgres-source.js';
import { RedisSource } from '../../../src/queries/redis-source.js';
import { SessionReader } from '../../../src/queries/session-reader.js';
import { SummaryLag } from '../../../src/queries/summary-lag.js';
import { SUMMARY_WINDOWS } from '../../../src/queries/windows.js';
import { BUSINESS } from '../../support/fold-events.js';
import { openRecountBench, RETENTION_DAYS, type RecountBench } from '../../support/recount-bench.js';
import { RecountedAnswers } from '../../support/recounted-answers.js';
import { waitFor } from '../../support/servers.js';
import { withinBounds } from '../../support/within-bounds.js';

const FULL = process.env.METRICS_FAULTS === 'full';
const EVENTS = Number(process.env.RECOUNT_EVENTS ?? (FULL ? 200_000 : 40_000));
const DAYS = 40;
const ANSWER_TIMEOUT_MS = 60_000;
/** The configured interval, and one in which every service has events. */
const INTERVALS_S = [300, 3_600];

const seed = Number(process.env.RECOUNT_SEED ?? Math.floor(Math.random() * 2 ** 31));
console.log(`recount: RECOUNT_SEED=${seed}, ${EVENTS} events`);

/** The handlers of the API at the time of the bench. */
interface Api {
  readonly summary: GetSummaryHandler;
  readonly health: GetServicesHealthHandler;
  readonly dashboard: GetDashboardHandler;
  readonly wanted: RecountedAnswers;
}

let opened: RecountBench | undefined;
function bench(): RecountBench {
  if (opened === undefined) throw new Error('not opened');
  return opened;
}

/** Anew, so that no answer is kept from before. */
function api(intervalSeconds = 300): Api {
  const { pool, redis, recount, nowMs } = bench();
  const limits = { errorRate: 0.05, responseTimeMs: 2_000, intervalSeconds };
  const now = (): number => nowMs;
  const alerts = () => Promise.resolve([]);
  const reader = new CountsReader({
    redis: new RedisSource(redis, new SummaryLag(pool, Date.now)),
    postgres: new PostgresSource(pool, BUSINESS),
    now: Date.now,
  });
  return {
    summary: new GetSummaryHandler(reader, new SessionReader(pool), limits, alerts, now),
    health: new GetServicesHealthHandler(reader, limits, now),
    dashboard: new GetDashboardHandler(reader, new DashboardSource(pool, BUSINESS), limits, alerts, now),
    wanted: new RecountedAnswers(recount, nowMs, limits),
  };
}

const test = suite('answers held against a recount of the raw events');
test.before(async () => {
  opened = await openRecountBench(EVENTS, seed, DAYS);
});
test.after(() => opened?.close());

const ago = (milliseconds: number): string => new Date(Date.now() - milliseconds).toISOString();
const DASHBOARDS: readonly DashboardParameters[] = [
  {},
  { compare: 'previous' },
  { from: ago(18_000_123), to: ago(3_600_457), interval: '61' },
  { from: '-1h', interval: '1m' },
  { from: '-7d', to: '-1d', compare: 'previous' },
  { from: '-30d', interval: '1d', compare: 'previous' },
  { from: '-3h', to: 'now', interval: '97' },
  { from: '-14d', service: 'web', compare: 'previous' },
  { from: '-30d', interval: '12h', endpoint: '/users/:id' },
  { from: '-10d', service: 'billing', endpoint: '/orders/:id/items', event_type: 'user_login' },
  { from: '-40d', event_type: 'feature_used', interval: '1d' },
  { from: '-2d', event_type: 'user_login', compare: 'previous' },
];
for (const parameters of DASHBOARDS) {
  test(`the dashboard of ${JSON.stringify(parameters)}`, async () => {
    const question = parseDashboardQuestion(parameters, bench().nowMs, RETENTION_DAYS);
    if (!question.ok) throw new Error(JSON.stringify(question.problems));
    const { range, filters, compare } = question.value;
    const { dashboard, wanted } = api();
    const found = await dashboard.execute(new GetDashboard(question.value));
    withinBounds(found, wanted.dashboard(range, filters, compare, false), 'dashboard');
    assert.ok(found.series.requests.length <= 500);
  });
}

for (const source of ['redis', 'postgres'] as const) {
  const from = { source, degraded: source === 'postgres' };

  if (source === 'postgres') {
    test('Redis is stopped', async () => {
      await bench().server.kill();
    });
  }

  for (const window of SUMMARY_WINDOWS) {
    test(`the summary of ${window}, from ${source}`, async () => {
      const { summary, wanted } = api();
      // A machine that is busy may be too slow for Redis's second; then Postgres answers once.
      const found = await waitFor(
        `an answer from ${source}`,
        async () => {
          const answer = await summary.execute(new GetSummary(window));
          return answer.source === source ? answer : undefined;
        },
        ANSWER_TIMEOUT_MS,
      );
      withinBounds(found, wanted.summary(window, from), 'summary');
    });
  }

  for (const intervalSeconds of INTERVALS_S) {
    test(`services' health over ${intervalSeconds} s, from ${source}`, async () => {
      const { health, wanted } = api(intervalSeconds);
      withinBounds(await health.execute(), wanted.health(), 'health');
    });
  }

  test(`the platform since the beginning, from ${source}`, async () => {
    const { pool, redis, nowMs, recount } = bench();
    const counts: CountsSource =
      source === 'redis' ? new RedisSource(redis, new SummaryLag(pool, Date.now)) : new PostgresSource(pool, BUSINESS);
    const found = await counts.platformCounters(nowMs, EVENTS);
    const wanted = recount.counters();
    assert.is(found.sequence, EVENTS);
    assert.is(found.sequence, EVENTS);
    const requests = found.requests.map(
      ({ service, method, endpoint, status, count }) =>
        [JSON.stringify([service, method, endpoint, status]), count] as const,
    );
    const durations = found.durations.map(
      ({ service, method, endpoint, buckets, sumUs }) =>
        [JSON.stringify([service, method, endpoint]), { buckets: [...buckets], sumUs }] as const,
    );
    assert.equal(sorted(requests), sorted(wanted.requests));
    withinBounds(sorted(durations), sorted(wanted.durations), 'durations');
    assert.equal(
      sorted(found.events.map(({ eventType, count }) => [eventType, count] as const)),
      sorted(wanted.events),
    );
    assert.equal(
      sorted(found.gauges.map(({ service, metric, value }) => [JSON.stringify([service, metric]), value] as const)),
      sorted(wanted.gauges),
    );
    assert.equal(found.activeUsers, recount.activeUsers(nowMs));
  });
}

test('a dashboard while Redis is stopped: the same, and degraded', async () => {
  const { dashboard, wanted } = api();
  const question = parseDashboardQuestion({ compare: 'previous' }, bench().nowMs, RETENTION_DAYS);
  if (!question.ok) throw new Error(JSON.stringify(question.problems));
  const found = await dashboard.execute(new GetDashboard(question.value));
  withinBounds(found, wanted.dashboard(question.value.range, {}, true, true), 'dashboard');
});

function sorted<T>(entries: Iterable<readonly [string, T]>): [string, T][] {
  return [...entries].map(([key, value]): [string, T] => [key, value]).sort(([a], [b]) => (a < b ? -1 : 1));
}

test.run();
