import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LogEvent } from '../../src/events/kinds.js';
import { dropDay } from '../../src/projections/drop-day.js';
import type { CountsSource } from '../../src/queries/aggregates.js';
import { PostgresSource } from '../../src/queries/postgres-source.js';
import { RedisSource } from '../../src/queries/redis-source.js';
import { healthBounds } from '../../src/queries/services-health.js';
import { SummaryLag } from '../../src/queries/summary-lag.js';
import { keepDays } from '../../src/store/counters.js';
import { migrate } from '../../src/store/migrate.js';
import { dayOf, partitionName } from '../../src/store/partitions.js';
import { inTransaction } from '../../src/store/postgres.js';
import { routeOf } from '../../src/store/route.js';
import { readPosition } from '../../src/store/summary-position.js';
import { count } from '../support/database.js';
import { BUSINESS, foldEvents } from '../support/fold-events.js';
import { randomEvents } from '../support/random-events.js';
import { Recount } from '../support/recount.js';
import { waitFor } from '../support/servers.js';
import { SummaryHarness } from '../support/summaries.js';

const DAYS = 10;
const RETENTION_DAYS = 3;
const EVENTS = 3_000;
const LIMITS = { errorRate: 0.05, responseTimeMs: 2_000, intervalSeconds: 300 };
const nowMs = Date.now();
/** Days past the retention of which there are events, at whatever time of day this runs. */
const PAST = Array.from({ length: DAYS - RETENTION_DAYS - 1 }, (_, index) => dayOf(nowMs) - RETENTION_DAYS - 1 - index);

const harness = new SummaryHarness();
const test = suite('counters since the beginning');
test.before.each(() => harness.open());
test.after.each(() => harness.close());

/** Puts events into the tables, and waits until the summaries contain them. */
async function fold(events: readonly LogEvent[]): Promise<void> {
  await foldEvents(harness.need('store').pool, events);
  await summariesAt(events.at(-1)?.sequence ?? 0);
}

async function summariesAt(sequence: number): Promise<void> {
  await waitFor(
    'the summaries',
    async () => ((await readPosition(harness.need('redis')))?.position === String(sequence) ? true : undefined),
    20_000,
  );
}

/** What both sources say now; a new one each time, so that no answer is there already. */
async function counters() {
  const { pool } = harness.need('store');
  const sources: CountsSource[] = [
    new RedisSource(harness.need('redis'), new SummaryLag(pool, Date.now), RETENTION_DAYS),
    new PostgresSource(pool, BUSINESS, RETENTION_DAYS),
  ];
  const [redis, postgres] = await Promise.all(sources.map(read));
  if (redis === undefined || postgres === undefined) throw new Error('two sources');
  return { redis, postgres };
}

async function read(source: CountsSource) {
  const found = await source.platformCounters(nowMs, 0);
  const { fromS, gaugesFromS } = healthBounds(LIMITS, nowMs);
  const services = await source.serviceCounts(fromS, gaugesFromS, nowMs);
  return {
    sequence: found.sequence,
    requests: sorted(found.requests.map(({ count: n, ...labels }) => [labels, n])),
    durations: sorted(found.durations.map(({ buckets, sumUs, ...labels }) => [labels, [...buckets, sumUs]])),
    events: sorted(found.events.map(({ eventType, count: n }) => [eventType, n])),
    gauges: sorted(found.gauges.map(({ value, ...labels }) => [labels, value])),
    services: services.map(({ serviceName, lastSeenMs }) => `${serviceName} ${lastSeenMs}`),
  };
}

function sorted<T>(entries: readonly (readonly [labels: unknown, value: T])[]): [string, T][] {
  return entries
    .map(([labels, value]): [string, T] => [JSON.stringify(labels), value])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

async function rebuilt(sequence: number) {
  await harness.need('redis').flushall();
  await summariesAt(sequence);
  return await counters();
}

test('stay the same when days are dropped: from Redis, from Postgres, and from Redis that is built anew', async () => {
  const { pool } = harness.need('store');
  await harness.start();
  const events = randomEvents(EVENTS, 11, nowMs, DAYS);
  await fold(events.slice(0, -100));
  const before = await counters();
  assert.equal(before.redis, before.postgres);
  assert.ok(before.redis.requests.length > 100);
  for (const day of PAST.slice(0, -2)) assert.is(await dropDay(pool, day), 'dropped');
  const rows = await count(pool, 'select count(*) from api_metrics');
  assert.ok(rows < events.filter(({ kind }) => kind === 'api').length);
  assert.equal(await counters(), before);
  assert.equal(await rebuilt(EVENTS - 100), before);

  // More of every day, dropped ones included; and all of it goes a second time.
  await fold(events.slice(-100));
  const after = await counters();
  assert.equal(after.redis, after.postgres);
  assert.not.equal(after.redis.requests, before.redis.requests);
  for (const day of PAST) await dropDay(pool, day);
  assert.equal(await counters(), after);
  assert.equal(await rebuilt(EVENTS), after);
  const recounted = [...new Recount(events, routeOf).counters().events.values()].reduce((sum, n) => sum + n, 0);
  assert.is(
    after.redis.events.reduce((sum, [, n]) => sum + n, 0),
    recounted,
  );
});

test('a day that somebody reads, or that a rebuild counts, is left as it is', async () => {
  const { pool } = harness.need('store');
  await harness.start();
  await fold(randomEvents(500, 12, nowMs, DAYS));
  const [day = 0] = PAST;
  const before = await counters();
  await inTransaction(pool, async (reader) => {
    await reader.query(`select count(*) from ${partitionName('user_events', day)}`);
    assert.is(await dropDay(pool, day), 'busy');
  });
  await inTransaction(pool, async (rebuild) => {
    await keepDays(rebuild);
    assert.is(await dropDay(pool, day), 'busy');
  });
  assert.is(await count(pool, 'select count(*) from counter_bases'), 0);
  assert.is(await dropDay(pool, day), 'dropped');
  assert.is(await dropDay(pool, day), 'absent');
  assert.equal(await counters(), before);
});

test('a database of an earlier release gets the series that its log would have given', async () => {
  const { pool, url } = harness.need('store');
  await foldEvents(pool, randomEvents(6_000, 13, nowMs, DAYS));
  const series = async () => {
    const { rows } = await pool.query(
      "select kind, key, first_sequence from known_series where kind like 'http%' order by kind, key",
    );
    return rows;
  };
  const folded = await series();
  assert.ok(new Set(folded.map(({ kind }) => kind)).size === 4 && folded.length > 1_500);
  await pool.query(`delete from known_series where kind like 'http%'`);
  await pool.query('drop table counter_bases');
  await pool.query(`delete from schema_migrations where name like '%counter_bases'`);
  await migrate(url);
  assert.equal(await series(), folded);
});

test('are bounded whatever a publisher sends, and their sums are whole', async () => {
  await harness.start();
  const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE', 'BREW'];
  const events = Array.from({ length: 16_000 }, (_, index): LogEvent => {
    const place = { id: `h${index}`, sequence: index + 1, occurredAtMs: nowMs - (index % 1_000), timeFromLog: false };
    // A few series with every status first, then whatever there is.
    const few = index < 8_000;
    const body = {
      service_name: few ? `few-${index % 20}` : `service-${index % 3_000}`,
      endpoint: few ? '/' : `/e-${'abcdefghij'[index % 10]}${index % 7}x`,
      method: METHODS[Math.floor(index / 500) % 10] ?? 'GET',
      status_code: 100 + (index % 499),
      response_time_ms: index % 50,
    };
    return { kind: 'api', body, ...place };
  });
  await fold(events);
  const { redis, postgres } = await counters();
  assert.equal(redis, postgres);
  assert.equal((await rebuilt(events.length)).redis, redis);
  const { requests, durations } = redis;
  assert.ok(durations.length > 900 && durations.length <= 1_000, `${durations.length} series`);
  assert.ok(requests.length > 5_000 && requests.length <= 10_000, `${requests.length} series with a status`);
  const labelled = new Set(requests.map(([labels]) => labels.replace(/,"status":"\w+"/, '')));
  assert.is(labelled.size, durations.length);
  assert.ok(requests.some(([labels]) => labels.includes('"status":"5xx"')));
  assert.is(
    requests.reduce((sum, [, n]) => sum + n, 0),
    events.length,
  );
  const buckets = durations.flatMap(([, values]) => values.slice(0, -1));
  assert.is(
    buckets.reduce((sum, n) => sum + n, 0),
    events.length,
  );
  const wanted = new Recount(events, routeOf).counters();
  assert.is(requests.length, wanted.requests.size);
});

test.run();
