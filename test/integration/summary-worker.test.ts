import type { Redis } from 'ioredis';
import type { PoolClient } from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { applyDelta, defineApplyDelta } from '../../src/projections/apply-delta.js';
import { emptyDelta, type SummaryDelta } from '../../src/projections/summary-delta.js';
import { nextGeneration, nextGenerationOfSummaries } from '../../src/store/checkpoints.js';
import { inTransaction } from '../../src/store/postgres.js';
import { readPosition } from '../../src/store/summary-position.js';
import { CURRENT_KEY, EPOCH_KEY, generationPrefix, PART } from '../../src/store/summary-schema.js';
import { testPool } from '../support/database.js';
import { dumpSummaries, type Sent } from '../support/direct-projection.js';
import { waitFor } from '../support/servers.js';
import { SummaryHarness } from '../support/summaries.js';

const harness = new SummaryHarness();
const test = suite('summary worker');
test.before.each(() => harness.open());
test.after.each(() => harness.close());

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
  const dump = await dumpSummaries(harness.need('redis'));
  const day = minute - (minute % 86_400);
  return [`m:${minute}`, `d:${day}`, 'events'].map(
    (key) => dump[key]?.[key === 'events' ? 'user_login' : 'ev:user_login'],
  );
}

test('deltas that wait and deltas that come later are added once each', async () => {
  await harness.need('projection').write(logins(10));
  await harness.need('projection').write(logins(5));
  const worker = await harness.start();
  await harness.caughtUp();
  await harness.need('projection').write(logins(3));
  worker.wake();
  await harness.caughtUp();
  assert.equal(await loginsCounted(), ['18', '18', '18']);
  assert.is(Object.keys((await dumpSummaries(harness.need('redis')))['u:login'] ?? {}).length, 7);
  assert.equal(worker.state, { kind: 'running', sequence: 18 });
});

test('a delta that is sent twice does nothing the second time', async () => {
  await harness.need('projection').write(logins(4));
  await harness.start();
  await harness.caughtUp();
  const redis = await harness.connect();
  defineApplyDelta(redis);
  const { generation } = (await readPosition(redis)) ?? { generation: '' };
  const { rows } = await harness
    .need('store')
    .pool.query<{ delta: string }>('select delta::text as delta from summary_outbox');
  const delta = rows[0]?.delta ?? '';
  assert.is(await applyDelta(redis, generation, { from: '0', to: '4', delta }, { keptSeconds: 1_000 }), '4');
  assert.equal(await loginsCounted(), ['4', '4', '4']);
});

test('a delta as an earlier release left it in the outbox, names with each field and without maxima, counts the same', async () => {
  const request = (id: string): Sent => ({
    subject: 'metrics.events.api.web',
    body: {
      id,
      endpoint: '/a',
      method: 'GET',
      status_code: 500,
      response_time_ms: 5,
      occurred_at: new Date(NOW_MS).toISOString(),
    },
  });
  await harness.need('projection').write([request('one')]);
  await harness.start();
  await harness.caughtUp();
  const redis = await harness.connect();
  defineApplyDelta(redis);
  const { generation } = (await readPosition(redis)) ?? { generation: '' };
  const { rows } = await harness.need('store').pool.query<{ delta: SummaryDelta }>('select delta from summary_outbox');
  const { maxima: _, serviceMaxima: __, ...rest } = rows[0]?.delta ?? emptyDelta();
  const flat = (groups: Record<string, Record<string, number>>): Record<string, number> =>
    Object.fromEntries(
      Object.entries(groups).flatMap(([name, counts]) =>
        Object.entries(counts).map(([field, count]) => [`${name}${PART}${field}`, count]),
      ),
    );
  const services = Object.fromEntries(Object.entries(rest.services).map(([minute, named]) => [minute, flat(named)]));
  const delta = JSON.stringify({ ...rest, services, http: flat(rest.http), duration: flat(rest.duration) });
  const before = await dumpSummaries(redis);
  assert.is(await applyDelta(redis, generation, { from: '1', to: '2', delta }, { keptSeconds: 1_000 }), '2');
  const after = await dumpSummaries(redis);
  for (const key of ['http', 'duration', `s:${minute}`]) {
    const doubled = Object.entries(before[key] ?? {}).map(([field, count]) => [field, doubledCount(field, count)]);
    assert.equal(after[key], Object.fromEntries(doubled), key);
    assert.ok(doubled.length > 0, key);
  }
});

function doubledCount(field: string, count: string): string {
  return field.endsWith('max:rt') ? count : field === 'at' ? '2' : String(2 * Number(count));
}

test('an emptied Redis is noticed and filled again', async () => {
  await harness.need('projection').write(logins(10));
  await harness.start();
  await harness.caughtUp();
  await harness.need('redis').flushall();
  await harness.caughtUp();
  await harness.need('projection').write(logins(5));
  await harness.caughtUp();
  assert.equal(await loginsCounted(), ['15', '15', '15']);
});

test('an older copy of Redis comes back: what it lacks is added, not what it has', async () => {
  await harness.need('projection').write(logins(10));
  await harness.start();
  await harness.caughtUp();
  const { redis } = { redis: harness.need('redis') };
  const keys = await redis.keys('*');
  const copy = await Promise.all(keys.map(async (key) => [key, await redis.dumpBuffer(key)] as const));
  await harness.need('projection').write(logins(5));
  await harness.caughtUp();
  const restore = redis.multi().flushall();
  for (const [key, value] of copy) if (value !== null) restore.restore(key, 0, value);
  await restore.exec();
  await harness.caughtUp();
  assert.equal(await loginsCounted(), ['15', '15', '15']);
});

test('an older copy whose deltas have left the outbox is built anew', async () => {
  await harness.need('projection').write(logins(10));
  await harness.start();
  await harness.caughtUp();
  await harness.need('projection').write(logins(5));
  await harness.caughtUp();
  await harness.need('store').pool.query('delete from summary_outbox');
  const { generation } = (await readPosition(harness.need('redis'))) ?? { generation: '' };
  await harness.need('redis').hset(`${generationPrefix(generation)}meta`, 'sequence', '10');
  await waitFor('a new generation', async () => {
    const found = await readPosition(harness.need('redis'));
    return found !== undefined && found.generation !== generation ? true : undefined;
  });
  assert.equal(await loginsCounted(), ['15', '15', '15']);
  assert.is((await harness.need('redis').keys(`${generationPrefix(generation)}*`)).length, 0, 'the old one is gone');
});

test('rows of the past that were changed in the tables: the summaries are built anew', async () => {
  await harness.need('projection').write(logins(10));
  await harness.start();
  await harness.caughtUp();
  const { pool } = harness.need('store');
  await inTransaction(pool, async (client) => {
    await client.query('delete from user_events where stream_seq <= 4');
    await nextGeneration(client);
  });
  await waitFor('the six logins that are left', async () => {
    const counted = await loginsCounted();
    return counted.every((count) => count === '6') ? true : undefined;
  });
  assert.is((await readPosition(harness.need('redis')))?.tables, '1');
  await harness.need('projection').write(logins(5));
  await harness.caughtUp();
  assert.equal(await loginsCounted(), ['11', '11', '11']);
});

test('while they are built anew, the summaries that are read stay current, and the new ones are not behind them', async () => {
  const projection = harness.need('projection');
  const redis = harness.need('redis');
  for (let batch = 0; batch < 3; batch += 1) await projection.write(logins(3_000));
  const worker = await harness.start();
  await harness.caughtUp();
  const old = await readPosition(redis);
  const seen: { generation: string | undefined; behind: number }[] = [];
  const { pool } = harness.need('store');
  const connect = pool.connect.bind(pool) as (...callback: unknown[]) => Promise<PoolClient>;
  // At each step of the fold, what is read contains what came during the step before, and something more comes.
  const folding = async (): Promise<void> => {
    if (seen.length === 3) return;
    const at = await readPosition(redis);
    seen.push({ generation: at?.generation, behind: projection.sequence - Number(at?.position) });
    await projection.write(logins(5));
  };
  const watchedClients = new WeakSet<PoolClient>();
  const connectWatched = async (...callback: unknown[]): Promise<PoolClient> => {
    // The pool's own queries hand one in.
    if (callback.length > 0) return await connect(...callback);
    const client = await connect();
    if (watchedClients.has(client)) return client;
    watchedClients.add(client);
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    const watched = (...args: unknown[]): unknown =>
      String(args[0]).startsWith('fetch ') ? folding().then(() => query(...args)) : query(...args);
    return Object.assign(client, { query: watched });
  };
  Object.assign(pool, { connect: connectWatched });
  await inTransaction(pool, nextGenerationOfSummaries);
  let latest = Number(old?.position);
  await waitFor('another generation', async () => {
    const at = await readPosition(redis);
    assert.ok(Number(at?.position) >= latest, 'what is read went back');
    latest = Number(at?.position);
    return at?.generation === old?.generation ? undefined : true;
  });
  assert.is(seen.length, 3);
  assert.equal(
    seen.filter(({ generation, behind }) => generation !== old?.generation || behind !== 0),
    [],
  );
  await harness.caughtUp();
  const total = String(9_000 + 5 * seen.length);
  assert.equal(await loginsCounted(), [total, total, total]);
  await worker.stop();
});

test('Redis killed and started again: nothing is lost or doubled', async () => {
  await harness.need('projection').write(logins(10));
  const worker = await harness.start();
  await harness.caughtUp();
  for (let round = 0; round < 3; round += 1) {
    await harness.need('server').kill();
    await harness.need('projection').write(logins(5));
    await waitFor('the worker to wait', () => (worker.state.kind === 'retrying' ? true : undefined));
    await harness.need('server').start();
    await harness.caughtUp();
  }
  assert.equal(await loginsCounted(), ['25', '25', '25']);
});

test('a Redis that answers too late is asked again, and no delta counts twice', async () => {
  await harness.need('projection').write(logins(10));
  const worker = await harness.start(200);
  await harness.caughtUp();
  for (let round = 0; round < 3; round += 1) {
    await harness
      .need('redis')
      .call('CLIENT', 'PAUSE', '600', 'ALL')
      .catch(() => undefined);
    await harness.need('projection').write(logins(5));
    worker.wake();
    await harness.caughtUp();
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
  ['the epoch is a list', async (redis) => redis.multi().del(EPOCH_KEY).lpush(EPOCH_KEY, 'x').exec()],
  ['the epoch is text', (redis) => redis.set(EPOCH_KEY, 'x')],
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
    await harness.need('projection').write(logins(10));
    await harness.start();
    await harness.caughtUp();
    const { generation } = (await readPosition(harness.need('redis'))) ?? { generation: '' };
    await spoil(harness.need('redis'), generationPrefix(generation));
    await harness.need('projection').write(logins(5));
    await waitFor('a whole generation', async () => {
      const counted = await loginsCounted().catch(() => []);
      return counted.length === 3 && counted.every((value) => value === '15') ? true : undefined;
    });
    await harness.caughtUp();
  });
}

test('a gauge or a last sight that somebody spoiled does not stop the others', async () => {
  const measure = (value: number): Sent => ({
    subject: 'metrics.events.system.billing',
    body: { metric_name: 'cpu', value },
  });
  await harness.need('projection').write([measure(1)]);
  await harness.start();
  await harness.caughtUp();
  const { generation } = (await readPosition(harness.need('redis'))) ?? { generation: '' };
  await harness.need('redis').hset(`${generationPrefix(generation)}gauges`, `billing${PART}cpu`, 'spoiled');
  await harness.need('redis').hset(`${generationPrefix(generation)}seen`, 'billing', 'spoiled');
  await harness.need('projection').write([measure(2.5)]);
  await harness.caughtUp();
  const dump = await dumpSummaries(harness.need('redis'));
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
  await harness.need('projection').write(Array.from({ length: 4_000 }, huge));
  await harness.start();
  await harness.caughtUp();
  const key = `m:${minute}`;
  const counts = (await dumpSummaries(harness.need('redis')))[key];
  assert.is(counts?.rsb, String(4_000n * 2n ** 40n));
  assert.is(counts?.rt_us, String(4_000n * 2_147_483_647_000n));
  const { generation } = (await readPosition(harness.need('redis'))) ?? { generation: '' };
  await harness.need('redis').hset(`${generationPrefix(generation)}${key}`, 'rsb', '9223372036854775000');
  await harness.need('projection').write([huge(), ...logins(3)]);
  await harness.caughtUp();
  const after = (await dumpSummaries(harness.need('redis')))[key];
  assert.equal([after?.rsb, after?.req, after?.['ev:user_login']], ['9223372036854775807', '4001', '3']);
});

test('a pool of one connection is enough, for a rebuild too', async () => {
  await harness.need('projection').write(logins(10));
  const pool = testPool(harness.need('store').url, 1);
  const worker = await harness.start(2_000, { ...harness.need('store'), pool });
  await harness.caughtUp();
  await harness.need('projection').write(logins(1));
  await harness.caughtUp();
  await worker.stop();
  await pool.end();
});

test('two workers: one works, the other stands by and takes over', async () => {
  await harness.need('projection').write(logins(10));
  const first = await harness.start();
  await harness.caughtUp();
  const second = await harness.start();
  await waitFor('the standby', () => (second.state.kind === 'standby' ? true : undefined));
  await harness.need('projection').write(logins(10));
  await harness.caughtUp();
  await first.stop();
  await harness.need('projection').write(logins(10));
  await waitFor('the takeover', () => (second.state.kind === 'running' ? true : undefined));
  await harness.caughtUp();
  assert.equal(await loginsCounted(), ['30', '30', '30']);
});

test('another mapping of business numbers is folded in from the beginning', async () => {
  const patient: Sent = { subject: 'metrics.events.user.patient_visit', body: { user_id: 4 } };
  await harness.need('projection').write([patient]);
  await harness.start();
  await harness.caughtUp();
  const { generation } = (await readPosition(harness.need('redis'))) ?? { generation: '' };
  await harness.need('redis').hset(`${generationPrefix(generation)}meta`, 'business', 'older');
  await waitFor('a new generation', async () => {
    const found = await readPosition(harness.need('redis'));
    return found !== undefined && found.generation !== generation ? true : undefined;
  });
});

test('stopping is quick while Redis is away, and during a rebuild', async () => {
  await harness.need('projection').write(logins(10));
  const worker = await harness.start();
  await harness.caughtUp();
  await harness.need('server').kill();
  await waitFor('the worker to wait', () => (worker.state.kind === 'retrying' ? true : undefined));
  const startedMs = performance.now();
  await worker.stop();
  assert.ok(performance.now() - startedMs < 3_000);
});

test.run();
