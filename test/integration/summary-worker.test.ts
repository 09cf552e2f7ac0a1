import * as fc from 'fast-check';
import type { Redis } from 'ioredis';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import '../support/seed.js';
import type { ManagedServer } from '../../src/devservices/index.js';
import { applyDelta, defineApplyDelta } from '../../src/projections/apply-delta.js';
import type { SummaryWorker } from '../../src/projections/summary-worker.js';
import { readPosition } from '../../src/store/summary-position.js';
import { CURRENT_KEY, generationPrefix, OTHER, PART } from '../../src/store/summary-schema.js';
import { count, openStore, type TestStore } from '../support/database.js';
import { DirectProjection, dumpSummaries, type Sent } from '../support/direct-projection.js';
import { newSummaryWorker, testRedis } from '../support/projection.js';
import { startTestRedis, waitFor } from '../support/servers.js';

interface Context {
  server?: ManagedServer;
  redis?: Redis;
  store?: TestStore;
  projection?: DirectProjection;
  workers: SummaryWorker[];
  connections: Redis[];
}
const context: Context = { workers: [], connections: [] };
const test = suite('summary worker');

function need<K extends keyof Context>(key: K): NonNullable<Context[K]> {
  const value = context[key];
  if (value === undefined) throw new Error(`${key} is not opened`);
  return value;
}
async function connect(commandTimeoutMs = 2_000): Promise<Redis> {
  const redis = testRedis(need('server'), 0, commandTimeoutMs);
  context.connections.push(redis);
  await waitFor('Redis', () => (redis.status === 'ready' ? true : undefined));
  return redis;
}
async function start(commandTimeoutMs = 2_000): Promise<SummaryWorker> {
  const worker = newSummaryWorker(need('store'), await connect(commandTimeoutMs));
  context.workers.push(worker);
  worker.start();
  return worker;
}
/** Waits until the summaries contain everything that is in the tables. */
async function caughtUp(boundMs = 15_000): Promise<void> {
  const wanted = String(need('projection').sequence);
  await waitFor(
    `the summaries at ${wanted}`,
    async () => {
      const found = await readPosition(need('redis')).catch(() => undefined);
      return found?.position === wanted ? true : undefined;
    },
    boundMs,
  );
}

test.before.each(async () => {
  context.server = await startTestRedis();
  context.store = await openStore();
  context.connections = [];
  context.workers = [];
  context.redis = await connect();
  context.projection = await DirectProjection.open(context.store);
});
test.after.each(async () => {
  await Promise.all(context.workers.map((worker) => worker.stop()));
  for (const connection of context.connections) connection.disconnect();
  await context.store?.close();
  await context.server?.stop();
});

const NOW_MS = Date.now();
let nextId = 0;
const login = (userId: number): Sent => {
  nextId += 1;
  const occurred_at = new Date(NOW_MS).toISOString();
  return { subject: 'metrics.events.user.user_login', body: { id: `l-${nextId}`, user_id: userId, occurred_at } };
};
const logins = (amount: number): Sent[] => Array.from({ length: amount }, (_, index) => login(index % 7));
const minute = Math.floor(NOW_MS / 60_000) * 60;

async function loginsCounted(): Promise<(string | undefined)[]> {
  const dump = await dumpSummaries(need('redis'));
  const day = minute - (minute % 86_400);
  return [`m:${minute}`, `d:${day}`, 'events'].map(
    (key) => dump[key]?.[key === 'events' ? 'user_login' : 'ev:user_login'],
  );
}

test('deltas that wait and deltas that come later are added once each', async () => {
  await need('projection').write(logins(10));
  await need('projection').write(logins(5));
  const worker = await start();
  await caughtUp();
  await need('projection').write(logins(3));
  worker.wake();
  await caughtUp();
  assert.equal(await loginsCounted(), ['18', '18', '18']);
  assert.is(Object.keys((await dumpSummaries(need('redis')))['u:login'] ?? {}).length, 7);
  assert.equal(worker.state, { kind: 'running', sequence: 18 });
});

test('a delta that is sent twice does nothing the second time', async () => {
  await need('projection').write(logins(4));
  await start();
  await caughtUp();
  const redis = await connect();
  defineApplyDelta(redis);
  const { generation } = (await readPosition(redis)) ?? { generation: '' };
  const { rows } = await need('store').pool.query<{ delta: string }>('select delta::text as delta from summary_outbox');
  const delta = rows[0]?.delta ?? '';
  assert.is(await applyDelta(redis, generation, { from: '0', to: '4', delta }, 1_000), '4');
  assert.equal(await loginsCounted(), ['4', '4', '4']);
});

test('an emptied Redis is noticed and filled again', async () => {
  await need('projection').write(logins(10));
  await start();
  await caughtUp();
  await need('redis').flushall();
  await caughtUp();
  await need('projection').write(logins(5));
  await caughtUp();
  assert.equal(await loginsCounted(), ['15', '15', '15']);
});

test('an older copy of Redis comes back: what it lacks is added, not what it has', async () => {
  await need('projection').write(logins(10));
  await start();
  await caughtUp();
  const { redis } = { redis: need('redis') };
  const keys = await redis.keys('*');
  const copy = await Promise.all(keys.map(async (key) => [key, await redis.dumpBuffer(key)] as const));
  await need('projection').write(logins(5));
  await caughtUp();
  const restore = redis.multi().flushall();
  for (const [key, value] of copy) if (value !== null) restore.restore(key, 0, value);
  await restore.exec();
  await caughtUp();
  assert.equal(await loginsCounted(), ['15', '15', '15']);
});

test('an older copy whose deltas have left the outbox is built anew', async () => {
  await need('projection').write(logins(10));
  await start();
  await caughtUp();
  await need('projection').write(logins(5));
  await caughtUp();
  await need('store').pool.query('delete from summary_outbox');
  const { generation } = (await readPosition(need('redis'))) ?? { generation: '' };
  await need('redis').hset(`${generationPrefix(generation)}meta`, 'sequence', '10');
  await waitFor('a new generation', async () => {
    const found = await readPosition(need('redis'));
    return found !== undefined && found.generation !== generation ? true : undefined;
  });
  assert.equal(await loginsCounted(), ['15', '15', '15']);
  assert.is((await need('redis').keys(`${generationPrefix(generation)}*`)).length, 0, 'the old one is gone');
});

test('Redis killed and started again: nothing is lost or doubled', async () => {
  await need('projection').write(logins(10));
  const worker = await start();
  await caughtUp();
  for (let round = 0; round < 3; round += 1) {
    await need('server').kill();
    await need('projection').write(logins(5));
    await waitFor('the worker to wait', () => (worker.state.kind === 'retrying' ? true : undefined));
    await need('server').start();
    await caughtUp();
  }
  assert.equal(await loginsCounted(), ['25', '25', '25']);
});

test('a Redis that answers too late is asked again, and no delta counts twice', async () => {
  await need('projection').write(logins(10));
  const worker = await start(200);
  await caughtUp();
  for (let round = 0; round < 3; round += 1) {
    await need('redis')
      .call('CLIENT', 'PAUSE', '600', 'ALL')
      .catch(() => undefined);
    await need('projection').write(logins(5));
    worker.wake();
    await caughtUp();
  }
  assert.equal(await loginsCounted(), ['25', '25', '25']);
});

const FOREIGN: readonly [what: string, spoil: (redis: Redis, prefix: string) => Promise<unknown>][] = [
  ['the minute is text', (redis, prefix) => redis.set(`${prefix}m:${minute}`, 'x')],
  [
    'the users are a list',
    async (redis, prefix) => redis.multi().del(`${prefix}u:login`).lpush(`${prefix}u:login`, 'x').exec(),
  ],
  ['the position is text', (redis, prefix) => redis.hset(`${prefix}meta`, 'sequence', 'abc')],
  ['the position is beyond all numbers', (redis, prefix) => redis.hset(`${prefix}meta`, 'sequence', '9'.repeat(40))],
  ['meta is text', (redis, prefix) => redis.set(`${prefix}meta`, 'x')],
  ['meta is gone', (redis, prefix) => redis.del(`${prefix}meta`)],
  [
    'the current generation is a hash',
    async (redis) => redis.multi().del(CURRENT_KEY).hset(CURRENT_KEY, 'a', 'b').exec(),
  ],
  ['the current generation does not exist', (redis) => redis.set(CURRENT_KEY, 'nothing')],
  ['a count is text', (redis, prefix) => redis.hset(`${prefix}m:${minute}`, 'ev:user_login', 'many')],
];
for (const [what, spoil] of FOREIGN) {
  test(`where ${what}, all is built anew`, async () => {
    await need('projection').write(logins(10));
    await start();
    await caughtUp();
    const { generation } = (await readPosition(need('redis'))) ?? { generation: '' };
    await spoil(need('redis'), generationPrefix(generation));
    await need('projection').write(logins(5));
    await waitFor('a whole generation', async () => {
      const counted = await loginsCounted().catch(() => []);
      return counted.length === 3 && counted.every((value) => value === '15') ? true : undefined;
    });
    await caughtUp();
  });
}

test('a gauge or a last sight that somebody spoiled does not stop the others', async () => {
  const measure = (value: number): Sent => ({
    subject: 'metrics.events.system.billing',
    body: { metric_name: 'cpu', value },
  });
  await need('projection').write([measure(1)]);
  await start();
  await caughtUp();
  const { generation } = (await readPosition(need('redis'))) ?? { generation: '' };
  await need('redis').hset(`${generationPrefix(generation)}gauges`, `billing${PART}cpu`, 'spoiled');
  await need('redis').hset(`${generationPrefix(generation)}seen`, 'billing', 'spoiled');
  await need('projection').write([measure(2.5)]);
  await caughtUp();
  const dump = await dumpSummaries(need('redis'));
  assert.match(dump.gauges?.[`billing${PART}cpu`] ?? '', /^\d+ 2 2\.5$/);
  assert.match(dump.seen?.billing ?? '', /^\d{13}$/);
});

test('sums of the largest numbers stay exact, and past 2^63 they stay there and block nobody', async () => {
  const huge = (): Sent => {
    nextId += 1;
    const body = {
      id: `h-${nextId}`,
      endpoint: '/',
      method: 'GET',
      status_code: 200,
      response_bytes: 2 ** 40,
      response_time_ms: 2_147_483_647,
    };
    return { subject: 'metrics.events.api.web', body: { ...body, occurred_at: new Date(NOW_MS).toISOString() } };
  };
  await need('projection').write(Array.from({ length: 4_000 }, huge));
  await start();
  await caughtUp();
  const key = `m:${minute}`;
  const counts = (await dumpSummaries(need('redis')))[key];
  assert.is(counts?.rsb, String(4_000n * 2n ** 40n));
  assert.is(counts?.rt_us, String(4_000n * 2_147_483_647_000n));
  const { generation } = (await readPosition(need('redis'))) ?? { generation: '' };
  await need('redis').hset(`${generationPrefix(generation)}${key}`, 'rsb', '9223372036854775000');
  await need('projection').write([huge(), ...logins(3)]);
  await caughtUp();
  const after = (await dumpSummaries(need('redis')))[key];
  assert.equal([after?.rsb, after?.req, after?.['ev:user_login']], ['9223372036854775807', '4001', '3']);
});

test('two workers: one works, the other stands by and takes over', async () => {
  await need('projection').write(logins(10));
  const first = await start();
  await caughtUp();
  const second = await start();
  await waitFor('the standby', () => (second.state.kind === 'standby' ? true : undefined));
  await need('projection').write(logins(10));
  await caughtUp();
  await first.stop();
  await need('projection').write(logins(10));
  await waitFor('the takeover', () => (second.state.kind === 'running' ? true : undefined));
  await caughtUp();
  assert.equal(await loginsCounted(), ['30', '30', '30']);
});

test('another mapping of business numbers is folded in from the beginning', async () => {
  const patient: Sent = { subject: 'metrics.events.user.patient_visit', body: { user_id: 4 } };
  await need('projection').write([patient]);
  await start();
  await caughtUp();
  const { generation } = (await readPosition(need('redis'))) ?? { generation: '' };
  await need('redis').hset(`${generationPrefix(generation)}meta`, 'business', 'older');
  await waitFor('a new generation', async () => {
    const found = await readPosition(need('redis'));
    return found !== undefined && found.generation !== generation ? true : undefined;
  });
});

test('a batch of the worst shape is applied within the time that Redis may take', async () => {
  // Every event in a minute, of an endpoint and by a user of its own.
  const worst = Array.from(
    { length: 4_000 },
    (_, index): Sent => ({
      subject: `metrics.events.api.service_${index % 400}`,
      body: {
        endpoint: `/page/x${index}`,
        method: 'GET',
        status_code: 200 + (index % 300),
        response_time_ms: index,
        request_bytes: 5,
        occurred_at: new Date(NOW_MS - index * 20_000).toISOString(),
      },
    }),
  );
  await need('projection').write(worst);
  await start();
  await caughtUp();
  const redis = need('redis');
  await redis.config('SET', 'slowlog-log-slower-than', '0');
  await redis.call('SLOWLOG', 'RESET');
  await need('projection').write(
    worst.map(({ subject, body }) => ({ subject, body: { ...body, id: `again-${nextId++}` } })),
  );
  await caughtUp();
  const slow = (await redis.call('SLOWLOG', 'GET', '-1')) as [number, number, number, ...unknown[]][];
  const longestUs = Math.max(...slow.map(([, , microseconds]) => microseconds));
  assert.ok(longestUs < 1_500_000, `the longest command took ${longestUs} microseconds`);
});

test('stopping is quick while Redis is away, and during a rebuild', async () => {
  await need('projection').write(logins(10));
  const worker = await start();
  await caughtUp();
  await need('server').kill();
  await waitFor('the worker to wait', () => (worker.state.kind === 'retrying' ? true : undefined));
  const startedMs = performance.now();
  await worker.stop();
  assert.ok(performance.now() - startedMs < 3_000);
});

const DAY_MS = 86_400_000;
const time = fc.integer({ min: 0, max: 3 * DAY_MS }).map((ago) => new Date(NOW_MS - ago).toISOString());
const service = fc.constantFrom('web', 'billing', '__proto__', 'constructor', 'other');
const user = fc.option(fc.integer({ min: -2, max: 20 }), { nil: undefined });
const eventId = fc.option(
  fc.integer({ min: 0, max: 30 }).map((n) => `id-${n}`),
  { nil: undefined },
);
const apiEvent = fc
  .record({
    service,
    endpoint: fc.constantFrom('/', '/users/1', '/users/2?q=1', '/\tx', '/ü', ''),
    body: fc.record({
      id: eventId,
      occurred_at: time,
      method: fc.constantFrom('GET', 'get', 'BREW'),
      status_code: fc.integer({ min: 100, max: 599 }),
      response_time_ms: fc.option(
        fc.oneof(fc.double({ min: 0, max: 5_000, noNaN: true }), fc.integer({ min: 0, max: 2_147_483_647 })),
        { nil: undefined },
      ),
      request_bytes: fc.option(fc.integer({ min: 0, max: 2 ** 40 }), { nil: undefined }),
      response_bytes: fc.option(fc.integer({ min: 0, max: 2 ** 40 }), { nil: undefined }),
    }),
  })
  .map(
    ({ service: name, endpoint, body }): Sent => ({
      subject: `metrics.events.api.${name}`,
      body: { ...body, endpoint: endpoint === '' ? '/e' : endpoint },
    }),
  );
const userEvent = fc
  .record({
    type: fc.constantFrom(
      'user_login',
      'user_registered',
      'feature_used',
      'patient_visit',
      'appointment_created',
      'other',
      '__proto__',
    ),
    body: fc.record({
      id: eventId,
      occurred_at: time,
      user_id: user,
      metadata: fc.option(
        fc.record({
          feature: fc.constantFrom<unknown>('reports', 'a\tb', '', 5, null, OTHER, 'x'.repeat(101), '__proto__x'),
        }),
        { nil: undefined },
      ),
    }),
  })
  .map(({ type, body }): Sent => ({ subject: `metrics.events.user.${type}`, body }));
const systemEvent = fc
  .record({
    service,
    body: fc.record({
      id: eventId,
      occurred_at: time,
      metric_name: fc.constantFrom('cpu_usage', 'db_pool_active', '__proto__'),
      value: fc.double({ min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, noNaN: true }),
    }),
  })
  .map(({ service: name, body }): Sent => ({ subject: `metrics.events.system.${name}`, body }));

test('a rebuild gives, field by field, what the deltas gave, and both what SQL counts', async () => {
  const { pool } = need('store');
  await start();
  const batches = fc.array(fc.array(fc.oneof(apiEvent, userEvent, systemEvent), { minLength: 1, maxLength: 40 }), {
    minLength: 1,
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(batches, async (given) => {
      for (const batch of given) await need('projection').write(batch);
      await caughtUp();
      const folded = await dumpSummaries(need('redis'));
      await need('redis').flushall();
      await caughtUp();
      const { meta: _before, ...before } = folded;
      const { meta: _after, ...after } = await dumpSummaries(need('redis'));
      assert.equal(after, before);
      const total = (key: string, field: string): number =>
        Object.entries(before)
          .filter(([name]) => name.startsWith(key))
          .reduce((sum, [, counts]) => sum + Number(counts[field] ?? 0), 0);
      assert.is(total('d:', 'req'), await count(pool, 'select count(*) from api_metrics'));
      assert.is(total('h:', 'err'), await count(pool, 'select count(*) from api_metrics where status_code >= 500'));
      assert.is(
        total('events', 'user_login'),
        await count(pool, "select count(*) from user_events where event_type = 'user_login'"),
      );
      const users = await count(
        pool,
        "select count(distinct user_id) from user_events where event_type = 'user_login'",
      );
      assert.is(Object.keys(before['u:login'] ?? {}).length, users);
    }),
    { numRuns: 15 },
  );
});

test.run();
