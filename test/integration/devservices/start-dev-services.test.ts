import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { connect } from 'nats';
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  AlreadyRunning,
  type DevServices,
  isRunning,
  sendSignal,
  startDevServices,
} from '../../../src/devservices/index.js';
import { ServerState } from '../../../src/devservices/state.js';
import { startTestNats, startTestRedis, testDatabase, testPrograms } from '../../support/servers.js';

const STOP_BOUND_MS = 10_000;
const test = suite<{ root: string; lines: string[]; services: DevServices | undefined }>('servers for development');
const roots: string[] = [];
function newRoot(): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'dev-')));
  chmodSync(root, 0o711);
  roots.push(root);
  return root;
}
test.before((context) => {
  // One for all, since making a Postgres cluster is most of what a first start costs.
  context.root = newRoot();
});
test.before.each((context) => {
  context.lines = [];
});
test.after.each(async (context) => {
  await context.services?.stop();
  context.services = undefined;
});
test.after(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true, maxRetries: 5 });
});

/** The programs that the tests use, as if they were installed: the ways without any are tried by two-commands and apt. */
const programs = await testPrograms();
const folders = [programs.natsServer, programs.redisServer].map((program) => dirname(program));
const PRIVATE = {
  PATH: [...folders, programs.postgresBin, process.env.PATH].join(delimiter),
  METRICS_PRIVATE_SERVERS: '1',
};
Object.assign(process.env, programs.env);

function pidsOf(services: DevServices): number[] {
  return services.started.map((server) => server.pid).filter((pid) => pid !== undefined);
}

async function query(services: DevServices, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: services.env.DATABASE_URL });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

test('a second start has the same addresses and data, and stop leaves nothing running', async (context) => {
  const { root, lines } = context;
  const log = (line: string): void => void lines.push(line);
  const first = await startDevServices({ root, env: PRIVATE, log });
  context.services = first;
  await query(first, 'create table kept as select 42 as answer');
  const connection = await connect({ servers: first.env.NATS_URL ?? '' });
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ name: 'KEPT', subjects: ['kept'] });
  await connection.jetstream().publish('kept', 'x');
  await connection.close();
  const pids = pidsOf(first);
  assert.is(pids.length, 3);

  const startedMs = performance.now();
  await first.stop();
  assert.ok(performance.now() - startedMs < STOP_BOUND_MS);
  assert.not.ok(pids.some(isRunning));
  await first.stop(); // Twice is harmless.

  const second = await startDevServices({ root, env: PRIVATE, log });
  context.services = second;
  assert.equal(second.env, first.env);
  assert.equal(await query(second, 'select answer from kept'), [{ answer: 42 }]);
  const again = await connect({ servers: second.env.NATS_URL ?? '' });
  const stream = await (await again.jetstreamManager()).streams.info('KEPT');
  assert.is(stream.state.messages, 1);
  await again.close();
});

test('a second start at the same time is refused and harms nothing', async (context) => {
  const { root } = context;
  const services = await startDevServices({ root, env: PRIVATE, log: () => undefined });
  context.services = services;
  const refusal = await startDevServices({ root, env: PRIVATE, log: () => undefined }).catch((error: unknown) => error);
  assert.instance(refusal, AlreadyRunning);
  assert.ok(pidsOf(services).every(isRunning));
  assert.equal(await query(services, 'select 1 as one'), [{ one: 1 }]);
});

test('a server that an earlier start left hanging is ended, and one it wrote nothing down of too', async (context) => {
  const { root, lines } = context;
  const services = await startDevServices({ root, env: PRIVATE, log: () => undefined });
  const statePath = join(root, '.data', 'dev', 'servers.json');
  const left = new ServerState(statePath);
  const [nats, redis] = [left.get('nats'), left.get('redis')];
  // As after a kill -9: the lock is nobody's, the servers run; one hangs, and of one the process is not known.
  rmSync(join(root, '.data', 'dev', 'lock'));
  sendSignal(nats?.pid ?? 0, 'SIGSTOP');
  left.set('redis', { way: 'program', port: redis?.port ?? 0 });

  context.services = await startDevServices({ root, env: PRIVATE, log: (line) => lines.push(line) });
  assert.not.ok(isRunning(nats?.pid ?? 0), 'the hanging NATS is ended');
  assert.not.ok(isRunning(redis?.pid ?? 0), 'the unknown Redis is ended');
  const postgres = services.started.find((server) => server.kind === 'postgres');
  assert.ok(pidsOf(context.services).includes(postgres?.pid ?? 0), 'the Postgres that answers is taken over');
  assert.match(lines.join('\n'), /postgres: going on with process/);
  assert.match(lines.join('\n'), /nats: ending process/);
});

test('called off in the middle, a first start leaves nothing running', async () => {
  const root = newRoot();
  const controller = new AbortController();
  const error = await startDevServices({
    root,
    env: PRIVATE,
    log: () => controller.abort(),
    signal: controller.signal,
  }).catch((thrown: unknown) => thrown);
  assert.instance(error, Error);
  const state = new ServerState(join(root, '.data', 'dev', 'servers.json'));
  const pids = (['nats', 'postgres', 'redis'] as const).map((kind) => state.get(kind)?.pid ?? 0);
  assert.not.ok(pids.some(isRunning));
});

test('servers that the environment names are used, and not ended', async (context) => {
  const [nats, redis, database] = await Promise.all([startTestNats(), startTestRedis(), testDatabase()]);
  const env = {
    NATS_URL: nats.url,
    DATABASE_URL: database.url,
    REDIS_HOST: '127.0.0.1',
    REDIS_PORT: String(redis.port),
  };
  const services = await startDevServices({ root: newRoot(), env, log: (line) => context.lines.push(line) });
  assert.equal(services.env, env);
  assert.equal(services.started, []);
  assert.is(context.lines.filter((line) => line.includes('from the environment')).length, 3);
  await services.stop();
  assert.ok([nats.pid, redis.pid].every((pid) => pid !== undefined && isRunning(pid)));
  await Promise.all([nats.stop(), redis.stop(), database.drop()]);
});

test.run();
