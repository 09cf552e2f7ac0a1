import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../../src/devservices/index.js';
import { routeOf } from '../../../src/projections/route.js';
import { SummaryWorker } from '../../../src/projections/summary-worker.js';
import type { CountsSource, LatencyCounts, WindowCounts } from '../../../src/queries/aggregates.js';
import { parseDashboardRange, type RangeParameters } from '../../../src/queries/dashboard-range.js';
import { DashboardSource } from '../../../src/queries/dashboard-source.js';
import { PostgresSource } from '../../../src/queries/postgres-source.js';
import { RedisSource } from '../../../src/queries/redis-source.js';
import { healthBounds } from '../../../src/queries/services-health.js';
import { SessionReader } from '../../../src/queries/session-reader.js';
import { SummaryLag } from '../../../src/queries/summary-lag.js';
import { SUMMARY_WINDOWS, windowBounds } from '../../../src/queries/windows.js';
import { percentile, percentileMs } from '../../../src/store/log-buckets.js';
import { migrate } from '../../../src/store/migrate.js';
import { openPool } from '../../../src/store/postgres.js';
import { openRedis } from '../../../src/store/redis.js';
import type { SessionLengths } from '../../../src/store/session-lengths.js';
import { createServiceMetrics } from '../../../src/telemetry/service-metrics.js';
import { BUSINESS, foldEvents } from '../../support/fold-events.js';
import { foldAllSessions } from '../../support/fold-sessions.js';
import { randomEvents } from '../../support/random-events.js';
import { exactPercentile, exactPercentileMs, Recount, type RecountedRequests } from '../../support/recount.js';
import { startTestRedis, type TestDatabase, testDatabase, waitFor } from '../../support/servers.js';

const EVENTS = Number(process.env.RECOUNT_EVENTS ?? 12_000);
const DAYS = 40;
const RETENTION_DAYS = 90;
const HEALTH = { errorRate: 0.05, responseTimeMs: 2_000, intervalSeconds: 300 };
/** What the documentation promises of percentiles, and half a microsecond of rounding. */
const MAX_RELATIVE_ERROR = 0.02;
const ROUNDING_MS = 0.0005;

const seed = Number(process.env.RECOUNT_SEED ?? Math.floor(Math.random() * 2 ** 31));
console.log(`recount seed: ${seed}`);

interface Bench {
  readonly nowMs: number;
  readonly database: TestDatabase;
  readonly pool: Pool;
  readonly server: ManagedServer;
  readonly redis: Redis;
  readonly sources: readonly CountsSource[];
  readonly recount: Recount;
  readonly stop: () => Promise<void>;
}

let opened: Bench | undefined;
function bench(): Bench {
  if (opened === undefined) throw new Error('not opened');
  return opened;
}

async function open(): Promise<Bench> {
  const [server, database] = await Promise.all([startTestRedis(), testDatabase()]);
  await migrate(database.url);
  const onError = (): void => undefined;
  const pool = openPool({ databaseUrl: database.url, maxConnections: 4, applicationName: 'test', onError });
  const redis = openRedis({ host: '127.0.0.1', port: server.port, password: '', db: 0 }, 5_000, onError);
  const nowMs = Date.now();
  const events = randomEvents(EVENTS, seed, nowMs, DAYS);
  const logger = pino({ level: 'silent' });
  const dependencies = { pool, redis, databaseUrl: database.url, business: BUSINESS, logger };
  const worker = new SummaryWorker({ ...dependencies, retentionDays: RETENTION_DAYS, metrics: createServiceMetrics() });
  const reached = (sequence: number) =>
    waitFor(
      `summaries at ${sequence}`,
      () => (worker.state.kind === 'running' && worker.state.sequence === sequence ? true : undefined),
      60_000,
    );
  // The first half is built from the tables, the second half comes through the outbox.
  const half = Math.floor(EVENTS / 2);
  await foldEvents(pool, events.slice(0, half));
  await foldAllSessions(pool);
  worker.start();
  await reached(half);
  await foldEvents(pool, events.slice(half));
  await foldAllSessions(pool);
  worker.wake();
  await reached(EVENTS);
  await worker.stop();
  return {
    nowMs,
    database,
    pool,
    server,
    redis,
    sources: [new RedisSource(redis, new SummaryLag(pool, Date.now)), new PostgresSource(pool, BUSINESS)],
    recount: new Recount(events, routeOf),
    stop: async () => {
      redis.disconnect();
      await pool.end();
      await server.stop();
      await database.drop();
    },
  };
}

const test = suite('queries held against a recount of the raw events');
test.before(async () => {
  opened = await open();
});
test.after(async () => {
  await opened?.stop();
});

for (const name of ['redis', 'postgres'] as const) {
  const source = (): CountsSource => {
    const found = bench().sources.find((each) => each.name === name);
    if (found === undefined) throw new Error(`no source ${name}`);
    return found;
  };

  for (const window of SUMMARY_WINDOWS) {
    test(`${name} counts the window of ${window} as the recount does`, async () => {
      const { nowMs, recount } = bench();
      const { fromS } = windowBounds(window, nowMs);
      checkWindow(await source().windowCounts(fromS, nowMs), recount.window(fromS * 1000));
    });
  }

  test(`${name} counts active users as the recount does`, async () => {
    const { nowMs, recount } = bench();
    assert.equal(await source().activeUsers(nowMs), recount.activeUsers(nowMs));
  });

  test(`${name} counts services as the recount does`, async () => {
    const { nowMs, recount } = bench();
    for (const intervalSeconds of [300, 3_600]) {
      const { fromS, gaugesFromS } = healthBounds({ ...HEALTH, intervalSeconds }, nowMs);
      const found = await source().serviceCounts(fromS, gaugesFromS, nowMs);
      const wanted = recount.services(fromS * 1000, gaugesFromS * 1000);
      assert.equal(
        found.map(({ serviceName, lastSeenMs, gauges }) => ({ serviceName, lastSeenMs, gauges: plain(gauges) })),
        wanted.map(({ serviceName, lastSeenMs, gauges }) => ({ serviceName, lastSeenMs, gauges: plain(gauges) })),
      );
      for (const [index, counts] of found.entries()) checkRequests(counts, wanted[index]);
    }
  });

  test(`${name} counts the platform since the beginning as the recount does`, async () => {
    const { nowMs, recount } = bench();
    const found = await source().platformCounters(nowMs, EVENTS);
    const wanted = recount.counters();
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
    assert.equal(sorted(durations), sorted(wanted.durations));
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

test('sessions of the windows are what the recount gives', async () => {
  const { pool, nowMs, recount } = bench();
  const reader = new SessionReader(pool);
  for (const window of SUMMARY_WINDOWS) {
    checkSessions(await reader.lengths(window, nowMs), recount.sessionsMs(windowBounds(window, nowMs).fromS * 1000));
  }
});

const ago = (milliseconds: number): string => new Date(Date.now() - milliseconds).toISOString();
const RANGES: readonly RangeParameters[] = [
  { from: ago(18_000_123), to: ago(3_600_457), interval: '61' },
  {},
  { from: '-1h', interval: '1m' },
  { from: '-7d', to: '-1d' },
  { from: '-30d', interval: '1d' },
  { from: '-3h', to: 'now', interval: '97' },
];
for (const parameters of RANGES) {
  test(`the dashboard of ${JSON.stringify(parameters)} is what the recount gives`, async () => {
    const { pool, nowMs, recount } = bench();
    const range = parseDashboardRange(parameters, nowMs, RETENTION_DAYS);
    if (!range.ok) throw new Error(JSON.stringify(range.problems));
    const { fromMs, toMs, intervalSeconds } = range.value;
    const {
      counts,
      activeUsers,
      sessions: lengths,
      series,
      top,
    } = await new DashboardSource(pool, BUSINESS).read({ range: range.value, filters: {}, compare: false }, nowMs);
    checkWindow(counts, recount.window(fromMs, toMs));
    assert.equal(activeUsers, recount.activeUsers(toMs - 1, toMs));
    checkSessions(lengths, recount.sessionsMs(fromMs, toMs));

    const wantedTypes = recount.eventTypes(fromMs, toMs);
    const listed = wantedTypes.slice(0, 20);
    assert.equal(
      top.event_types,
      listed.map(([event_type, events]) => ({ event_type, events })),
    );
    const wantedEndpoints = recount.endpoints(fromMs, toMs).slice(0, 20);
    assert.is(top.endpoints.length, wantedEndpoints.length);
    top.endpoints.forEach((found, index) => {
      const wanted = wantedEndpoints[index];
      assert.is(`${found.service_name}\t${found.method}\t${found.endpoint}`, wanted?.key);
      assert.equal([found.requests, found.errors], [wanted?.requests, wanted?.errors]);
      closeTo(found.p95_response_time_ms, exactPercentileMs(wanted?.times ?? [], 95), MAX_RELATIVE_ERROR);
    });

    // Intervals are counted from 1970; the first and the last are cut.
    const intervalMs = intervalSeconds * 1000;
    const first = Math.floor(fromMs / intervalMs);
    for (let index = 0; (first + index) * intervalMs < toMs; index += 1) {
      const startMs = Math.max(fromMs, (first + index) * intervalMs);
      const endMs = Math.min((first + index + 1) * intervalMs, toMs);
      const wanted = recount.window(startMs, endMs);
      const at = (points: readonly { t: string; value: number | null }[] | undefined) => {
        assert.is(points?.[index]?.t, new Date(startMs).toISOString());
        return points?.[index]?.value;
      };
      assert.is(at(series.requests), wanted.requests);
      assert.is(at(series.errors), wanted.errors);
      closeTo(at(series.error_rate), wanted.requests === 0 ? null : wanted.errors / wanted.requests, 0);
      closeTo(
        at(series.avg_response_time),
        wanted.timedRequests === 0 ? null : wanted.responseTimeUs / wanted.timedRequests / 1000,
        1e-12,
      );
      closeTo(at(series.p50), exactPercentileMs(wanted.times, 50), MAX_RELATIVE_ERROR);
      closeTo(at(series.p95), exactPercentileMs(wanted.times, 95), MAX_RELATIVE_ERROR);
      closeTo(at(series.p99), exactPercentileMs(wanted.times, 99), MAX_RELATIVE_ERROR);
      assert.is(at(series.request_bytes), wanted.requestBytes);
      assert.is(at(series.response_bytes), wanted.responseBytes);
      assert.is(at(series.active_users), wanted.loginUsers);
      assert.is(at(series.business.appointments_created), wanted.appointmentsCreated);
      assert.is(at(series.business.notifications_sent), wanted.notificationsSent);
      assert.is(at(series.business.device_registrations), wanted.deviceRegistrations);
      assert.is(at(series.business.patient_engagement), wanted.patientUsers);
      const types = new Map(recount.eventTypes(startMs, endMs));
      const rest = [...types].filter(([type]) => !listed.some(([name]) => name === type));
      for (const [type] of listed.filter(([name]) => name !== 'other')) {
        assert.is(at(series.events_by_type[type]), types.get(type) ?? 0);
      }
      const other =
        rest.reduce((sum, [, count]) => sum + count, 0) +
        (listed.some(([name]) => name === 'other') ? (types.get('other') ?? 0) : 0);
      if (wantedTypes.length > listed.length) assert.is(at(series.events_by_type.other), other);
      for (const [service, cpu] of Object.entries(series.cpu_usage)) {
        closeTo(at(cpu), recount.mean(service, 'cpu_usage', startMs, endMs), 1e-9);
      }
      for (const [service, memory] of Object.entries(series.memory_usage)) {
        closeTo(at(memory), recount.mean(service, 'memory_usage', startMs, endMs), 1e-9);
      }
    }
    for (const points of [series.requests, series.p50, series.active_users, series.cpu_usage.web ?? []]) {
      assert.ok(points.length <= 500);
      assert.is(points.length, series.errors.length);
    }
  });
}

function checkWindow(found: WindowCounts, wanted: ReturnType<Recount['window']>): void {
  checkRequests(found, wanted);
  assert.is(found.requestBytes, wanted.requestBytes);
  assert.is(found.responseBytes, wanted.responseBytes);
  checkSizes(found.requestSizes, wanted.requestSizes);
  checkSizes(found.responseSizes, wanted.responseSizes);
  const { statusCodes, features, ...rest } = found;
  assert.equal(Object.fromEntries(statusCodes), wanted.statusCodes);
  assert.equal(features, wanted.features);
  for (const [name, count] of Object.entries(rest)) {
    if (typeof count === 'number') assert.is(count, Reflect.get(wanted, name), name);
  }
}

/** Counts and sums are exact; percentiles lie within the promised bound. */
function checkRequests(found: LatencyCounts, wanted: RecountedRequests | undefined): void {
  if (wanted === undefined) throw new Error('nothing to compare with');
  const { requests, errors, timedRequests, responseTimeUs, times } = wanted;
  const { latency, ...counts } = found;
  assert.is(counts.requests, requests);
  assert.is(counts.errors, errors);
  assert.is(counts.timedRequests, timedRequests);
  assert.is(counts.responseTimeUs, responseTimeUs);
  assert.is(counts.maxResponseTimeUs, wanted.maxResponseTimeUs);
  assert.is(
    [...latency.values()].reduce((sum, count) => sum + count, 0),
    timedRequests,
  );
  for (const percent of [50, 95, 99]) {
    closeTo(percentileMs(latency, percent / 100), exactPercentileMs(times, percent), MAX_RELATIVE_ERROR);
  }
}

/** How many say their size is exact; percentiles lie within the promised bound, but for the rounding to whole bytes. */
function checkSizes(found: ReadonlyMap<number, number>, wanted: readonly number[]): void {
  assert.is(
    [...found.values()].reduce((sum, count) => sum + count, 0),
    wanted.length,
  );
  for (const percent of [50, 95]) {
    const [counted, exact] = [percentile(found, percent / 100), exactPercentile(wanted, percent)];
    if (counted === null || exact === null) assert.is(counted, exact);
    else
      assert.ok(Math.abs(counted - exact) <= exact * MAX_RELATIVE_ERROR + 0.5, `${counted} is not close to ${exact}`);
  }
}

/** Number and average are exact; percentiles lie within the promised bound. */
function checkSessions(found: SessionLengths | null, lengthsMs: number[]): void {
  const sorted = lengthsMs.sort((a, b) => a - b);
  const total = sorted.reduce((sum, length) => sum + length, 0);
  assert.is(found?.sessions, sorted.length);
  closeTo(found?.averageSeconds, sorted.length === 0 ? null : total / sorted.length / 1000, 1e-12);
  closeTo(found?.p50Seconds, exactPercentileMs(sorted, 50), MAX_RELATIVE_ERROR);
  closeTo(found?.p95Seconds, exactPercentileMs(sorted, 95), MAX_RELATIVE_ERROR);
}

function closeTo(found: number | null | undefined, wanted: number | null, relativeError: number): void {
  if (found === null || wanted === null || found === undefined) return assert.is(found, wanted);
  const allowed = Math.abs(wanted) * relativeError + ROUNDING_MS * Math.sign(relativeError);
  assert.ok(Math.abs(found - wanted) <= allowed, `${found} is not close to ${wanted}`);
}

function plain(map: ReadonlyMap<string, number> | Readonly<Record<string, number>>): [string, number][] {
  return sorted(map instanceof Map ? map : Object.entries(map));
}

function sorted<T>(entries: Iterable<readonly [string, T]>): [string, T][] {
  return [...entries].map(([key, value]): [string, T] => [key, value]).sort(([a], [b]) => (a < b ? -1 : 1));
}

test.run();
