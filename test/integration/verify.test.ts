import type { Redis } from 'ioredis';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { verifyText } from '../../src/cli/verify-text.js';
import type { ManagedServer } from '../../src/devservices/index.js';
import { concealAddresses } from '../../src/events/addresses.js';
import type { LogEvent } from '../../src/events/kinds.js';
import type { Projector } from '../../src/projections/projector.js';
import type { SummaryWorker } from '../../src/projections/summary-worker.js';
import { ExpectedSummaries } from '../../src/projections/verify/expected-summaries.js';
import { type DifferenceSort, isEqualDay } from '../../src/projections/verify/tally.js';
import { type VerifyOptions, type VerifyReport, verify } from '../../src/projections/verify/verify.js';
import { emptyCounters } from '../../src/store/counters.js';
import { dayOf, isoDate } from '../../src/store/partitions.js';
import { readPosition } from '../../src/store/summary-position.js';
import { generationPrefix } from '../../src/store/summary-schema.js';
import { openStore, type TestStore } from '../support/database.js';
import { BUSINESS } from '../support/events.js';
import { openLog, type TestLog } from '../support/log.js';
import { codec } from '../support/messages.js';
import { newProjector, newSummaryWorker, testRedis, untilProjected } from '../support/projection.js';
import { SeededRandom } from '../support/random.js';
import { randomEvents } from '../support/random-events.js';
import { startTestNats, startTestRedis, waitFor } from '../support/servers.js';

const EVENTS = 1_500;
const DAYS = 3;
const DAY_MS = 86_400_000;

interface Stage {
  readonly servers: readonly ManagedServer[];
  readonly log: TestLog;
  readonly store: TestStore;
  readonly redis: Redis;
  readonly workersRedis: Redis;
  readonly projector: Projector;
  readonly worker: SummaryWorker;
  readonly events: readonly LogEvent[];
}

let stage: Stage;
const test = suite('verify');

interface Message {
  readonly subject: string;
  readonly payload: Buffer;
}

/** As a publisher sends it: with its id in the body, which JetStream does not look at. */
function messageOf({ kind, body, id, occurredAtMs }: LogEvent, isTimeless = false): Message {
  const name = kind === 'user' ? body.event_type : body.service_name;
  const time = isTimeless ? {} : { occurred_at: new Date(occurredAtMs).toISOString() };
  return { subject: `metrics.events.${kind}.${name}`, payload: Buffer.from(JSON.stringify({ ...body, id, ...time })) };
}

/** Random events among which are duplicates, poison, and resends without a time of events of today and of yesterday. */
function randomLog(events: readonly LogEvent[], random: SeededRandom): Message[] {
  const sent: Message[] = [];
  for (const [index, event] of events.entries()) {
    sent.push(messageOf(event));
    const earlier = events[random.integer(0, index)] ?? event;
    const dice = random.next();
    if (dice < 0.1) sent.push(messageOf(earlier));
    else if (dice < 0.2) sent.push(messageOf(earlier, true));
    else if (dice < 0.22) sent.push({ subject: 'metrics.events.user.user_login', payload: Buffer.from('{"broken') });
  }
  return sent;
}

async function append(log: TestLog, messages: readonly Message[]): Promise<void> {
  const jetstream = log.connection.jetstream();
  for (let start = 0; start < messages.length; start += 500) {
    const some = messages.slice(start, start + 500);
    await Promise.all(some.map(({ subject, payload }) => jetstream.publish(subject, payload)));
  }
}

test.before(async () => {
  const [nats, server, store] = await Promise.all([startTestNats(), startTestRedis(), openStore()]);
  const log = await openLog(nats.url);
  const random = SeededRandom.announced('verify');
  const events = randomEvents(EVENTS, random.seed, Date.now() - DAY_MS / 24, DAYS);
  const workersRedis = testRedis(server);
  const redis = testRedis(server, 0, 10_000);
  await waitFor('Redis', () => (redis.status === 'ready' && workersRedis.status === 'ready' ? true : undefined));
  const worker = newSummaryWorker(store, workersRedis);
  const projector = newProjector(log, store, { onCommit: () => worker.wake() });
  stage = { servers: [nats, server], log, store, redis, workersRedis, projector, worker, events };
  projector.start();
  worker.start();
  await append(log, randomLog(events, random));
});
test.after(async () => {
  const { servers, log, store, redis, workersRedis, projector, worker } = stage;
  await Promise.all([projector.stop(), worker.stop()]);
  redis.disconnect();
  workersRedis.disconnect();
  await Promise.all([log.close(), store.close()]);
  await Promise.all(servers.map((server) => server.stop()));
});

async function report(options: VerifyOptions = {}, redis = stage.redis, settings = codec()): Promise<VerifyReport> {
  const { log, store } = stage;
  const parts = { ...log, pool: store.pool, codec: settings, redis, business: BUSINESS };
  const outcome = await verify({ ...parts, retentionDays: 90, now: Date.now }, options);
  if (outcome.kind !== 'compared') throw new Error(outcome.reason);
  return outcome.report;
}

/** The names of what differs, by table. */
function differing({ tables }: VerifyReport): Record<string, Partial<Record<DifferenceSort, readonly string[]>>> {
  const found: Record<string, Partial<Record<DifferenceSort, readonly string[]>>> = {};
  for (const { table, days } of tables) {
    for (const day of days) {
      for (const sort of ['missing', 'extra', 'changed'] as const) {
        if (day[sort].count > 0) found[table] = { ...found[table], [sort]: day[sort].ids };
      }
    }
  }
  return found;
}

function assertEqual(found: VerifyReport): void {
  assert.equal(differing(found), {});
  assert.equal(
    found.tables.flatMap(({ days }) => days.filter((day) => !isEqualDay(day))),
    [],
  );
  if (found.summaries.state === 'compared') assert.equal(found.summaries.differences, []);
  assert.is(found.summaries.state, 'compared', JSON.stringify(found.summaries));
  assert.is(found.equal, true);
}

const fieldsThatDiffer = ({ summaries }: VerifyReport) =>
  summaries.state === 'compared'
    ? summaries.differences.map(({ key, field, expected, found }) => [key, field, expected, found])
    : summaries.reason;

test('a log with duplicates, resends without a time, poison and late events is folded alike, while more arrives', async () => {
  const { log, store, events } = stage;
  await untilProjected(log, store);
  let sent = 0;
  let isOver = false;
  const sending = (async () => {
    while (!isOver) {
      const batch = events.slice(sent % 1_000, (sent % 1_000) + 20);
      await append(
        log,
        batch.map((event, index) => messageOf({ ...event, id: `more-${sent + index}` })),
      );
      sent += batch.length;
      await untilProjected(log, store);
    }
  })();
  try {
    for (let round = 0; round < 2; round += 1) assertEqual(await report());
  } finally {
    isOver = true;
    await sending;
  }
  assert.ok(sent > 20, `${sent} arrived meanwhile`);
  await untilProjected(log, store);
  const found = await report();
  assertEqual(found);
  const rows = found.tables.flatMap(({ days }) => days).reduce((sum, day) => sum + day.found.count, 0);
  assert.is(found.log.events - found.log.duplicates, rows);
  assert.ok(found.log.duplicates > EVENTS / 20, `${found.log.duplicates} duplicates`);
  assert.ok(found.log.refused > EVENTS / 100, `${found.log.refused} refused`);
  assert.equal(await stage.redis.keys('*verify-*'), []);
});

/** Runs statements as somebody would by hand, and takes them back. */
async function byHand(statement: string, undo: string, look: () => Promise<void>): Promise<void> {
  const { pool } = stage.store;
  await pool.query(statement);
  try {
    await look();
  } finally {
    await pool.query(undo);
  }
}

test('rows that were changed, deleted and added by hand are named, each in its table and day', async () => {
  const { pool } = stage.store;
  const { rows } = await pool.query<{ event_id: string; stream_seq: string; day: string }>(
    `select event_id, stream_seq, to_char(timestamp at time zone 'UTC', 'YYYY-MM-DD') as day from api_metrics
     where response_time_ms is not null and id % 7 = 0 order by stream_seq limit 1`,
  );
  const { rows: users } = await pool.query<{ event_id: string; stream_seq: string }>(
    'select event_id, stream_seq from user_events order by stream_seq offset 100 limit 1',
  );
  const [changed, deleted] = [rows[0]?.event_id ?? '', users[0]?.event_id ?? ''];
  const [changedAt, deletedAt] = [rows[0]?.stream_seq, users[0]?.stream_seq];
  await pool.query(`create table kept as select * from user_events where stream_seq = ${deletedAt}`);
  await byHand(
    `update api_metrics set response_time_ms = response_time_ms + 0.001 where stream_seq = ${changedAt};
     delete from user_events where stream_seq = ${deletedAt};
     insert into system_metrics (service_name, metric_name, value, timestamp, event_id, stream_seq)
     select service_name, metric_name, value, timestamp, 'forged-' || stream_seq, stream_seq
     from (select * from system_metrics order by stream_seq limit 2) as first`,
    `update api_metrics set response_time_ms = response_time_ms - 0.001 where stream_seq = ${changedAt};
     insert into user_events overriding system value select * from kept;
     drop table kept;
     delete from system_metrics where event_id like 'forged-%'`,
    async () => {
      const found = await report();
      const { system_metrics: system, ...others } = differing(found);
      assert.equal(others, { user_events: { missing: [deleted] }, api_metrics: { changed: [changed] } });
      assert.ok(system?.extra?.every((id) => id.startsWith('forged-')));
      const days = found.tables.flatMap(({ table, days: all }) => all.map((day) => ({ table, ...day })));
      const extra = days.reduce((sum, day) => sum + day.extra.count, 0);
      assert.is(extra, 2);
      const of = days.find((day) => day.changed.count === 1);
      assert.equal([of?.table, of?.day], ['api_metrics', rows[0]?.day]);
      assert.is(of?.expected.count, of?.found.count);
      assert.is.not(of?.expected.checksum, of?.found.checksum);
      assert.is(found.equal, false);
      // Redis was folded of the log, not of the tables.
      assert.equal(fieldsThatDiffer(found), []);
    },
  );
  assertEqual(await report());
});

test('whatever column is changed, it is found', async () => {
  const changes: readonly (readonly [table: string, set: string])[] = [
    ['user_events', `metadata = jsonb_set(coalesce(metadata, '{}'), '{x}', '1')`],
    ['user_events', `user_id = coalesce(user_id, 0) + 1`],
    ['user_events', `event_type = event_type || 'x'`],
    ['user_events', `created_at = created_at + interval '1 microsecond'`],
    ['system_metrics', 'value = value * 1.001 + 1'],
    ['system_metrics', `tags = 'null'`],
    ['system_metrics', `service_name = service_name || 'x'`],
    ['api_metrics', 'status_code = status_code + 1'],
    ['api_metrics', `endpoint = endpoint || '/'`],
    ['api_metrics', `route = '/forged'`],
    ['api_metrics', 'request_bytes = coalesce(request_bytes, 0) + 1'],
    ['api_metrics', 'response_bytes = null, user_id = 17'],
  ];
  const { pool } = stage.store;
  const wanted: Record<string, string[]> = {};
  for (const [index, [table, set]] of changes.entries()) {
    // By sequence: an id may be there for two days.
    await pool.query(
      `create table kept_${index} as select * from ${table} order by stream_seq offset ${50 + index} limit 1;
       update ${table} set ${set} where stream_seq = (select stream_seq from kept_${index})`,
    );
    const { rows } = await pool.query<{ event_id: string }>(`select event_id from kept_${index}`);
    wanted[table] = [...(wanted[table] ?? []), rows[0]?.event_id ?? ''];
  }
  const found = await report();
  for (const [index, [table]] of changes.entries()) {
    await pool.query(
      `delete from ${table} where stream_seq in (select stream_seq from kept_${index});
       insert into ${table} overriding system value select * from kept_${index}; drop table kept_${index}`,
    );
  }
  for (const { table, days } of found.tables) {
    const ids = days.flatMap(({ changed }) => changed.ids);
    assert.equal(ids.sort(), wanted[table]?.sort(), table);
  }
  assertEqual(await report());
});

test('a deleted row is missing once, however often its event was sent again', async () => {
  const { log, store, events } = stage;
  const [first] = events.filter(({ kind }) => kind === 'user');
  if (first === undefined) throw new Error('no event');
  const event = { ...first, id: 'again' };
  await append(
    log,
    [0, 1, 2].map((n) => ({ ...messageOf(event), id: `again-${n}` })),
  );
  await untilProjected(log, store);
  await store.pool.query(`create table kept as select * from user_events where event_id = '${event.id}'`);
  await byHand(
    `delete from user_events where event_id = '${event.id}'`,
    'insert into user_events overriding system value select * from kept; drop table kept',
    async () => {
      const { equal, tables } = await report();
      assert.is(equal, false);
      const missing = tables.flatMap(({ days }) => days.map((day) => day.missing));
      assert.equal(
        missing.filter(({ count }) => count > 0),
        [{ count: 1, ids: [event.id] }],
      );
    },
  );
});

test('an event that was refused when it came, and brought in later, is where it should be', async () => {
  const { log, store } = stage;
  const body = { event_type: 'user_login', id: 'lifted', user_id: 5, occurred_at: new Date().toISOString() };
  const subject = 'metrics.events.user.user_login';
  await append(log, [{ subject, payload: Buffer.from(JSON.stringify(body)) }]);
  const sequence = await untilProjected(log, store);
  await append(log, [{ subject, payload: Buffer.from(JSON.stringify(body)) }]);
  const later = await untilProjected(log, store);
  // As it is where an earlier version did not take the first message, and a replay appended the second.
  await byHand(
    `update user_events set stream_seq = ${later} where stream_seq = ${sequence}`,
    `update user_events set stream_seq = ${sequence} where stream_seq = ${later}`,
    async () => assertEqual(await report()),
  );
  await byHand(
    `update user_events set stream_seq = ${later}, user_id = 6 where stream_seq = ${sequence}`,
    `update user_events set stream_seq = ${sequence}, user_id = 5 where stream_seq = ${later}`,
    async () => assert.equal(differing(await report()), { user_events: { changed: ['lifted'] } }),
  );
});

test('addresses that others put into the log are truncated in the tables; rows of another setting are told as such', async () => {
  const { log, store } = stage;
  const events = [
    { subject: 'metrics.events.user.located', body: { metadata: { ip: '203.0.113.77' }, user_id: 4 } },
    { subject: 'metrics.events.system.located', body: { metric_name: 'm', value: 1, tags: { ip: '2001:db8:1::6' } } },
  ];
  await append(
    log,
    events.map(({ subject, body }) => ({ subject, payload: Buffer.from(JSON.stringify(body)) })),
  );
  await untilProjected(log, store);
  const { rows } = await store.pool.query<{ metadata: unknown }>(
    `select metadata from user_events where event_type = 'located'
     union all select tags from system_metrics where service_name = 'located'`,
  );
  assert.equal(
    rows.map(({ metadata }) => metadata),
    [{ ip: '203.0.113.0' }, { ip: '2001:db8:1::' }],
  );
  assertEqual(await report());
  for (const rule of [{ kind: 'keep' }, { kind: 'hash', key: 'a key' }] as const) {
    const found = await report({}, stage.redis, { ...codec(), conceal: concealAddresses(rule) });
    assert.is(found.equal, false, 'the rows are not what the settings of today make of the log');
    assert.is(found.changed_in_addresses_alone, 2);
    assert.match(verifyText(found), /2 of the changed rows differ in IP addresses alone/);
    assert.equal(Object.keys(differing(found)), ['user_events', 'system_metrics']);
  }
  // Another value as well, and it is no longer the setting.
  await byHand(
    `update user_events set user_id = 5 where event_type = 'located'`,
    `update user_events set user_id = 4 where event_type = 'located'`,
    async () => assert.is((await report()).changed_in_addresses_alone, 0),
  );
});

test('a row where the log has a resend only is extra', async () => {
  const { log, store } = stage;
  const yesterday = { event_type: 'user_login', id: 'of-yesterday', user_id: 3 };
  const at = { occurred_at: new Date((dayOf(Date.now()) - 0.5) * DAY_MS).toISOString() };
  const subject = 'metrics.events.user.user_login';
  await append(log, [
    { subject, payload: Buffer.from(JSON.stringify({ ...yesterday, ...at })) },
    { subject, payload: Buffer.from(JSON.stringify(yesterday)) },
  ]);
  const sequence = await untilProjected(log, store);
  assertEqual(await report());
  const { storedAtMs } = await log.manager.streams.getMessage('METRICS', { seq: sequence }).then(({ time }) => ({
    storedAtMs: time.getTime(),
  }));
  await byHand(
    `insert into user_events (user_id, event_type, created_at, event_id, stream_seq)
     values (3, 'user_login', '${new Date(storedAtMs).toISOString()}', 'of-yesterday', ${sequence})`,
    `delete from user_events where stream_seq = ${sequence}`,
    async () => assert.equal(differing(await report()), { user_events: { extra: ['of-yesterday'] } }),
  );
});

test('counters, sets and keys that were changed by hand in Redis are named', async () => {
  const { redis, log, store, worker } = stage;
  const sequence = await untilProjected(log, store);
  await waitFor('the summaries', () =>
    worker.state.kind === 'running' && worker.state.sequence === sequence ? true : undefined,
  );
  const prefix = generationPrefix((await readPosition(redis))?.generation ?? '');
  const today = Math.floor(Date.now() / DAY_MS) * 86_400;
  const hour = (await redis.keys(`${prefix}h:*`)).sort()[0] ?? '';
  const before = {
    logins: await redis.hget(`${prefix}events`, 'user_login'),
    requests: await redis.hget(`${prefix}d:${today}`, 'req'),
    hour: await redis.hgetall(hour),
  };
  const [user = '', score = ''] = await redis.zrevrange(`${prefix}u:login`, 0, 0, 'WITHSCORES');
  await redis.hincrby(`${prefix}events`, 'user_login', 1);
  await redis.hset(`${prefix}d:${today}`, 'req', 'text');
  await redis.zrem(`${prefix}u:login`, user);
  await redis.set(`${prefix}foreign`, 'x');
  const dayOnly = await report({ from: dayOf(Date.now()), to: dayOf(Date.now()) });
  const found = await report();
  await redis.hincrby(`${prefix}events`, 'user_login', -1);
  await redis.hset(`${prefix}d:${today}`, 'req', before.requests ?? '');
  await redis.zadd(`${prefix}u:login`, score, user);
  await redis.del(`${prefix}foreign`);
  assert.equal(differing(found), {});
  assert.is(found.equal, false);
  assert.equal(fieldsThatDiffer(found), [
    [`d:${today}`, 'req', before.requests, 'text'],
    ['events', 'user_login', before.logins, String(Number(before.logins) + 1)],
    ['foreign', '', 'hash', 'string'],
    ['u:login', user, score, null],
  ]);
  assert.equal(fieldsThatDiffer(dayOnly), [[`d:${today}`, 'req', before.requests, 'text']]);
  assert.equal(dayOnly.days, { from: isoDate(dayOf(Date.now())), to: isoDate(dayOf(Date.now())) });
  await redis.del(hour);
  const without = await report();
  await redis.hset(hour, before.hour);
  await redis.expireat(hour, Math.ceil(Date.now() / 1000) + 90 * 86_400);
  assert.is(fieldsThatDiffer(without).length, Object.keys(before.hour).length - 1);
  assertEqual(await report());
});

test('days can be asked for alone', async () => {
  const yesterday = dayOf(Date.now()) - 1;
  const found = await report({ from: yesterday, to: yesterday });
  assertEqual(found);
  for (const { days } of found.tables) {
    assert.equal(
      days.map(({ day }) => day),
      [isoDate(yesterday)],
    );
  }
  const all = await report();
  const count = (one: VerifyReport) =>
    one.tables.map(({ days }) => days.find(({ day }) => day === isoDate(yesterday))?.expected);
  assert.equal(count(found), count(all));
});

test('where Redis is away the tables are compared, and the report says so', async () => {
  const away = testRedis(stage.servers[1] as ManagedServer);
  away.disconnect();
  const found = await report({}, away);
  assert.equal(found.summaries, { state: 'not_compared', reason: 'redis_away' });
  assert.is(found.equal, false);
  assert.equal(differing(found), {});
  assert.ok(found.tables.every(({ days }) => days.length > 1));
});

test('the keys of a verification that died expire by themselves', async () => {
  const { redis, store, events } = stage;
  const options = { business: BUSINESS, keptSeconds: 90 * 86_400, expiresAtS: Math.ceil(Date.now() / 1000) + 60 };
  const expected = new ExpectedSummaries(redis, store.pool, options, 0);
  const { SeriesRegistry } = await import('../../src/projections/series-registry.js');
  await expected.begin(emptyCounters(), new SeriesRegistry([]));
  const { toRow } = await import('../../src/projections/rows.js');
  const { routeOf } = await import('../../src/store/route.js');
  await expected.add(events.map((event) => toRow(event, routeOf)));
  await expected.settle();
  const keys = await redis.keys(`${generationPrefix(expected.generation)}*`);
  assert.ok(keys.length > 50);
  for (const key of keys) {
    const seconds = await redis.ttl(key);
    assert.ok(seconds > 0 && seconds <= 61, `${key}: ${seconds}`);
  }
  await expected.remove();
  assert.equal(await redis.keys(`${generationPrefix(expected.generation)}*`), []);
});

test.run();
