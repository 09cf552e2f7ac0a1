import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { connect } from 'nats';
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type DevServices, findEngine, startDevServices } from '../../src/devservices/index.js';

const test = suite<{ root: string; services: DevServices | undefined }>('servers in containers');

test.before((context) => {
  context.root = mkdtempSync(join(tmpdir(), 'containers-'));
});
test.after(async ({ root, services }) => {
  await services?.stop();
  rmSync(root, { recursive: true, force: true });
});

/** No program is on this PATH, so that only a container can be the answer. */
function start(root: string): Promise<DevServices> {
  const env = { PATH: '', METRICS_SERVERS_FROM_PATH_ONLY: '1', METRICS_PRIVATE_SERVERS: '1' };
  return startDevServices({ root, env, log: (line) => console.log(line) });
}

async function query(url: string | undefined, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

async function withRedis<T>(services: DevServices, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(Number(services.env.REDIS_PORT), services.env.REDIS_HOST ?? '');
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

async function ourContainers(): Promise<number> {
  const engine = await findEngine();
  const all = (await engine?.client.container.dockerode.listContainers({ all: true })) ?? [];
  return all.filter(({ Names }) => Names.some((name) => name.includes('metrics-service-'))).length;
}

test('where an engine answers and no program is there, all three servers run in containers and can be used', async (context) => {
  const services = await start(context.root);
  context.services = services;
  assert.equal(
    services.started.map(({ way }) => way),
    ['container', 'container', 'container'],
  );
  assert.equal(await query(services.env.DATABASE_URL, 'select 1 as one'), [{ one: 1 }]);
  await query(services.env.DATABASE_URL, 'create table kept as select 42 as answer');
  assert.is(await withRedis(services, (redis) => redis.set('kept', 'yes')), 'OK');
  const connection = await connect({ servers: services.env.NATS_URL ?? '' });
  await (await connection.jetstreamManager()).streams.add({ name: 'KEPT', subjects: ['kept'] });
  await connection.jetstream().publish('kept', 'x');
  await connection.close();
  assert.is(await ourContainers(), 3);
});

test('stop removes the containers, and a second start has the same addresses and data', async (context) => {
  const before = context.services?.env;
  await context.services?.stop();
  assert.is(await ourContainers(), 0);

  const services = await start(context.root);
  context.services = services;
  assert.equal(services.env, before);
  assert.equal(await query(services.env.DATABASE_URL, 'select answer from kept'), [{ answer: 42 }]);
  assert.is(await withRedis(services, (redis) => redis.get('kept')), 'yes');
  const connection = await connect({ servers: services.env.NATS_URL ?? '' });
  assert.is((await (await connection.jetstreamManager()).streams.info('KEPT')).state.messages, 1);
  await connection.close();
});

test('containers that a killed start left behind are replaced', async (context) => {
  const left = context.services;
  rmSync(join(context.root, '.data', 'dev', 'lock')); // As after a kill -9: the lock is nobody's.
  context.services = await start(context.root);
  assert.is(await ourContainers(), 3);
  assert.equal(await query(context.services.env.DATABASE_URL, 'select answer from kept'), [{ answer: 42 }]);
  await left?.stop(); // They are gone already.
});

test.run();
