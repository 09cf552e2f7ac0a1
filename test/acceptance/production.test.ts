import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { connect, jwtAuthenticator } from 'nats';
import pg from 'pg';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type RunningApp, startApp } from '../../src/app.js';
import { createPublisher, type Publisher } from '../../src/client/index.js';
import { type Environment, loadConfig } from '../../src/config.js';
import { withDatabase } from '../../src/devservices/index.js';
import { dropDay } from '../../src/projections/drop-day.js';
import { openOrm } from '../../src/store/orm.js';
import { openPool } from '../../src/store/postgres.js';
import { openRedis } from '../../src/store/redis.js';
import { connectNats } from '../../src/stream/connection.js';
import { makeCertificates } from '../support/certificates.js';
import { type Ended, runHere } from '../support/command-line.js';
import { documented } from '../support/documented.js';
import { type ProductionServers, startProductionServers } from '../support/production-servers.js';
import { optionsOf, speakPlainly, TestUser } from '../support/production-users.js';
import { waitFor } from '../support/servers.js';
import { TestClient } from '../support/service.js';

const test = suite('the service with the files for production');
const ROOT = join(import.meta.dirname, '../../..');
const DAY_MS = 86_400_000;
const RULES = `alerts:
  - { name: busy, condition: requests > 0, window: 2s, severity: info, notification: [] }
`;
const SOURCES = `sources:
  - { subject: appointments.created, event_type: appointment_created, user_id: /patient }
`;

let servers: ProductionServers;
let env: Environment;
let app: RunningApp | undefined;
let client: TestClient;
let pool: pg.Pool;
let service: TestUser;
let appointments: TestUser;
let onCall: TestUser;
const alerts: { readonly name: string; readonly status: string }[] = [];

test.before(async () => {
  servers = await startProductionServers();
  const file = (name: string, text: string): string => {
    const path = join(servers.folder, name);
    writeFileSync(path, text);
    return path;
  };
  env = {
    ...servers.env,
    ALERTS_FILE: file('alerts.yaml', RULES),
    SOURCES_FILE: file('sources.yaml', SOURCES),
    ALERT_EVALUATION_INTERVAL: '1',
    METRICS_AGGREGATION_INTERVAL: '10',
  };
  onCall = await TestUser.connect(servers, 'ON_CALL', '_INBOX_on_call');
  onCall.connection.subscribe('metrics.alert', { callback: (_error, message) => alerts.push(message.json()) });
  service = await TestUser.connect(servers, 'METRICS_SERVICE', '_INBOX_metrics');
  appointments = await TestUser.connect(servers, 'APPOINTMENTS', '_INBOX_appointments');
  pool = openPool({ ...serviceOf(servers.env.DATABASE_URL), maxConnections: 2, onError: () => undefined });
  app = await startApp(loadConfig(env), pino({ level: 'error' }));
  client = await TestClient.of(app.port);
});
test.after(async () => {
  await app?.stop();
  await Promise.all([pool.end(), ...[service, appointments, onCall].map(({ connection }) => connection.close())]);
  await servers.stop();
});

function serviceOf(databaseUrl: string | undefined): { databaseUrl: string; applicationName: string } {
  return { databaseUrl: databaseUrl ?? '', applicationName: 'the test' };
}

async function run(...args: string[]): Promise<Ended> {
  return await runHere(args, env);
}

/** Waits until a table has so many rows that `where` is true of. */
async function untilRows(table: string, where: string, count: number): Promise<void> {
  await waitFor(`${count} rows of ${table} where ${where}`, async () => {
    const { rows } = await pool.query<{ count: number }>(`select count(*)::int from ${table} where ${where}`);
    return rows[0]?.count === count ? true : undefined;
  });
}

async function messagesOf(stream: string): Promise<number> {
  return (await (await service.connection.jetstreamManager()).streams.info(stream)).state.messages;
}

test('what is posted is stored, projected and answered from Redis', async () => {
  const posted = { kind: 'api', service_name: 'portal', endpoint: '/x', method: 'GET', status_code: 200 };
  assert.is((await client.post('/metrics/events', posted)).status, 202);
  await untilRows('api_metrics', `service_name = 'portal'`, 1);
  await waitFor('the summary', async () => {
    const text = (await client.get('/metrics/summary')).text;
    return text.includes('"source":"redis"') && text.includes('"requests":1,') ? true : undefined;
  });
  assert.is((await client.get('/health/detailed')).status, 200);
});

test('who is on call hears of an alert, and may do nothing else', async () => {
  await waitFor('the alert', () => alerts.find(({ name, status }) => name === 'busy' && status === 'firing'));
  const { connection } = onCall;
  assert.is(await onCall.violationOf(() => connection.publish('metrics.alert', '{}')), 'publish metrics.alert');
  assert.is(await onCall.violationOf(() => connection.subscribe('metrics.events.>')), 'subscription metrics.events.>');
});

test('a publisher sends as itself with the client, and is told what is stored', async () => {
  const publisher = createPublisher({
    service: 'appointments',
    servers: `tls://localhost:${servers.nats.port}`,
    connect: optionsOf(servers, 'APPOINTMENTS'),
    inboxPrefix: '_INBOX_appointments',
  });
  publisher.api({ endpoint: '/slots', method: 'GET', status_code: 200 });
  publisher.system({ metric_name: 'cpu_usage', value: 12 });
  publisher.user({ event_type: 'appointment_created', user_id: 7 });
  assert.ok(await publisher.close(10_000));
  const { stored, dropped } = publisher.stats();
  assert.equal([stored, dropped], [3, {}]);
  await untilRows('api_metrics', `service_name = 'appointments'`, 1);
  await untilRows('user_events', `event_type = 'appointment_created' and user_id = 7`, 1);
});

test('a publisher is made as the guide shows', async () => {
  const [snippet = ''] = documented('docs/production.md', 'NATS', 'ts', 1);
  const replaced = snippet
    .replace(`'nats'`, `'${import.meta.resolve('nats')}'`)
    .replace(`'metrics-service/client'`, `'${pathToFileURL(join(ROOT, 'dist/src/client/index.js'))}'`)
    .replace('nats.example.org:4222', `localhost:${servers.nats.port}`)
    .replace('appointments.nk', servers.seedFiles.APPOINTMENTS)
    .replace('ca.crt', servers.certificates.caFile);
  const file = join(servers.folder, 'publisher.mjs');
  writeFileSync(file, replaced);
  const { publisher }: { publisher: Publisher } = await import(pathToFileURL(file).href);
  publisher.system({ metric_name: 'as_the_guide_shows', value: 1 });
  assert.ok(await publisher.close(10_000));
  assert.is(publisher.stats().stored, 1);
});

test('domain events of its account become user events', async () => {
  appointments.connection.publish('appointments.created', JSON.stringify({ patient: 8 }));
  await untilRows('user_events', `event_type = 'appointment_created' and user_id = 8`, 1);
});

test('a NATS service is asked for its numbers', async () => {
  const { connection } = appointments;
  const answering = await connection.services.add({ name: 'slots', version: '1.0.0' });
  answering.addEndpoint('free', { subject: 'appointments.free', handler: () => undefined });
  await waitFor('its numbers', async () => {
    const { rows } = await pool.query(`select from system_metrics where service_name = 'slots' limit 1`);
    return rows.length > 0 ? true : undefined;
  });
  await answering.stop();
});

const NOT_FOR_PUBLISHERS = [
  'metrics.events.api.notifications',
  'metrics.events.system.notifications',
  'metrics.events.user.user_login',
  'metrics.alert',
  'metrics.deadletter.x',
  '$JS.API.STREAM.DELETE.METRICS',
  '$JS.API.STREAM.PURGE.METRICS',
  '$JS.API.STREAM.MSG.GET.METRICS',
  '$JS.API.STREAM.INFO.METRICS',
  '$JS.API.CONSUMER.CREATE.METRICS',
  '$KV.metrics_leases.x',
  '_INBOX_metrics.x',
];

test('a publisher may send nothing in the name of others, and ask JetStream for nothing', async () => {
  const before = await messagesOf('METRICS');
  for (const subject of NOT_FOR_PUBLISHERS) {
    assert.is(await appointments.violationOf(() => appointments.connection.publish(subject)), `publish ${subject}`);
  }
  const readable = ['metrics.events.>', '>', 'metrics.alert', '_INBOX_metrics.>', '_INBOX.>', '$JS.ACK.>'];
  for (const subject of readable) {
    const violation = await appointments.violationOf(() => appointments.connection.subscribe(subject));
    assert.is(violation, `subscription ${subject}`);
  }
  assert.is(await messagesOf('METRICS'), before);
});

// JetStream publishes its acknowledgement to whatever the sender named, without asking for permission: within the streams'
// own account this emptied METRICS_ALERTS.
test('a reply subject does not make JetStream do what its sender may not', async () => {
  const before = await messagesOf('METRICS_ALERTS');
  assert.ok(before > 0);
  for (let count = 0; count < 20; count += 1) {
    appointments.connection.publish('metrics.events.system.appointments', '{"metric_name":"n","value":1}', {
      reply: '$JS.API.STREAM.PURGE.METRICS_ALERTS',
    });
  }
  await untilRows('system_metrics', `metric_name = 'n'`, 20);
  assert.ok((await messagesOf('METRICS_ALERTS')) >= before);
});

test('the service itself may neither delete, empty nor copy a stream, nor listen to what is not its own', async () => {
  const { connection } = service;
  for (const verb of ['DELETE', 'PURGE', 'SNAPSHOT', 'RESTORE']) {
    const subject = `$JS.API.STREAM.${verb}.METRICS`;
    assert.is(await service.violationOf(() => connection.publish(subject)), `publish ${subject}`);
  }
  const subject = 'metrics.events.>';
  assert.is(await service.violationOf(() => connection.subscribe(subject)), `subscription ${subject}`);
});

test('commands have what they need', async () => {
  const { connection } = appointments;
  const reply = await connection.request('metrics.events.system.appointments', '{"value":"none"}', { timeout: 5_000 });
  const { seq } = reply.json<{ seq: number }>();
  await waitFor('the dead letter', async () => ((await messagesOf('METRICS_DEADLETTERS')) > 0 ? true : undefined));
  assert.match((await run('deadletters', 'show', '1')).stdout, String(seq));
  const commands: readonly (readonly [status: number, ...args: string[]])[] = [
    [0, 'migrate'],
    [0, 'deadletters', 'list'],
    // It is no event today either.
    [1, 'deadletters', 'replay', '--all'],
    [0, 'deadletters', 'drop', '--all', '--yes'],
    [0, 'erase', '--user', '7'],
    [0, 'rebuild', 'all', '--keep', '--nice-ratio', '0'],
    [0, 'rebuild', '--rollback', '--nice-ratio', '0'],
    [0, 'rebuild', 'summaries'],
    [0, 'alerts', 'backtest', '--from', '-1h'],
  ];
  const shown = documented('docs/production.md', '*', 'metrics', 4).map((line) => line.split(' ').slice(4));
  const inFolder = (args: readonly string[]) =>
    args.map((arg) => (arg.endsWith('.nk') ? join(servers.folder, arg) : arg));
  for (const [expected, ...args] of [...commands, ...shown.map((line) => [0, ...inFolder(line)] as const)]) {
    const { status, stdout, stderr } = await run(...args);
    assert.is(status, expected, `${args.join(' ')}: ${stdout}${stderr}`);
  }
  assert.is(await messagesOf('METRICS_DEADLETTERS'), 0);
});

test('days are dropped, and an event that comes twice in a batch is stored once', async () => {
  const old = { event_type: 'user_login', user_id: 3, occurred_at: new Date(Date.now() - 3 * DAY_MS).toISOString() };
  const events = ['a', 'a', 'b'].map((id, index) => ({ ...old, id, metadata: { index } }));
  for (const event of events) {
    // Without Nats-Msg-Id JetStream takes all of them.
    const reply = await service.connection.request('metrics.events.user.user_login', JSON.stringify(event));
    assert.ok(reply.json<{ seq: number }>().seq > 0);
  }
  await untilRows('user_events', 'user_id = 3', 2);
  const day = Math.floor(Date.parse(old.occurred_at) / DAY_MS);
  await waitFor('the day', async () => ((await dropDay(pool, day)) === 'dropped' ? true : undefined));
  await untilRows('user_events', 'user_id = 3', 0);
});

test('the service complains of no permission that it lacks, at NATS or at Redis', async () => {
  const own = servers
    .natsLog()
    .split('\n')
    .filter((line) => /Violation/.test(line));
  const expected = [
    ...NOT_FOR_PUBLISHERS,
    'metrics.events.>',
    '>',
    'metrics.alert',
    '_INBOX.>',
    '_INBOX_metrics.>',
    '$JS.ACK.>',
  ];
  const verbs = ['DELETE', 'PURGE', 'SNAPSHOT', 'RESTORE'].map((verb) => `$JS.API.STREAM.${verb}.METRICS`);
  const tried = [...expected, ...verbs];
  assert.equal(
    own.filter(
      (line) =>
        !tried.some((subject) => line.endsWith(`Subject "${subject}"`) || line.includes(`Subject "${subject}", SID`)),
    ),
    [],
  );
  const administrator = servers.redisAs({ username: 'administrator', password: servers.env.REDIS_PASSWORD ?? '' });
  try {
    assert.equal(await administrator.call('ACL', 'LOG'), []);
  } finally {
    administrator.disconnect();
  }
});

test('NATS lets nobody in without a key, with a wrong one, or in the clear', async () => {
  const address = `localhost:${servers.nats.port}`;
  const tls = { caFile: servers.certificates.caFile };
  const refused = async (options: Parameters<typeof connect>[0]): Promise<void> => {
    const outcome = await connect({ servers: address, reconnect: false, ...options }).then(() => 'let in', String);
    assert.match(outcome, /authorization violation/i);
  };
  await refused({ tls });
  await refused({ tls, user: 'metrics', pass: 'metrics' });
  await refused({ tls, authenticator: jwtAuthenticator('x.y.z') });
  const plain = await speakPlainly(servers.nats.port, 'CONNECT {"verbose":false}\r\nPING\r\n');
  assert.not.match(plain, 'PONG');
});

test('a server that another authority vouches for gets nothing', async () => {
  const { caFile } = await makeCertificates(servers.folder, 'other-');
  const { nats, redis } = loadConfig({ ...servers.env, NATS_TLS_CA: caFile, REDIS_TLS_CA: caFile });
  const outcome = await connectNats(nats, 'the test').then(() => 'let in', String);
  assert.match(outcome, /self-signed certificate|unable to verify|signature/);
  let trouble = '';
  const connection = openRedis(redis, 1_000, ({ message }) => {
    trouble = message;
  });
  await waitFor('the refusal of Redis', () => (trouble === '' ? undefined : true));
  assert.match(trouble, /self-signed certificate|unable to verify|signature/);
  connection.disconnect();
  const databaseUrl = (servers.env.DATABASE_URL ?? '').replace(servers.certificates.caFile, caFile);
  const wrong = new pg.Client({ connectionString: databaseUrl });
  assert.match(
    await wrong.connect().then(() => 'let in', String),
    /self-signed certificate|unable to verify|signature/,
  );
  const orm = await openOrm(databaseUrl);
  assert.match(
    await orm.em
      .getConnection()
      .execute('select 1')
      .then(() => 'let in', String),
    /self-signed certificate|unable to verify|signature/,
  );
  await orm.close();
});

test("Postgres' role works over TLS, owns nothing but its schemas, and reaches nothing else", async () => {
  const { rows: sessions } = await pool.query<{ ssl: boolean; count: number }>(
    `select ssl, count(*)::int from pg_stat_ssl inner join pg_stat_activity using (pid)
     where usename = 'metrics_service' group by ssl`,
  );
  assert.equal(
    sessions.map(({ ssl }) => ssl),
    [true],
  );
  const administrator = new pg.Client({ connectionString: servers.superuserUrl });
  await administrator.connect();
  try {
    await administrator.query('create schema billing create table invoices (id int)');
  } finally {
    await administrator.end();
  }
  const forbidden = [
    'select from billing.invoices',
    'create table billing.mine (id int)',
    'create role other',
    'create database other',
    `copy (select 1) to program 'true'`,
    `select pg_read_file('pg_hba.conf')`,
    `alter system set ssl = off`,
    'drop schema billing',
    'drop database metrics_db',
  ];
  for (const statement of forbidden) {
    const outcome = await pool.query(statement).then(
      () => 'done',
      (error: pg.DatabaseError) => error.code,
    );
    assert.is(outcome, '42501', statement);
  }
  const elsewhere = [
    withDatabase(servers.env.DATABASE_URL ?? '', 'postgres'),
    (servers.env.DATABASE_URL ?? '').replace(/sslmode=.*/, 'sslmode=disable'),
  ];
  for (const connectionString of elsewhere) {
    const outcome = await new pg.Client({ connectionString }).connect().then(() => 'let in', String);
    assert.match(outcome, /no pg_hba\.conf entry|permission denied/);
  }
});

test("Redis' user may do nothing but keep summaries, and nobody else gets in", async () => {
  const { redis: settings } = loadConfig(servers.env);
  const redis = openRedis(settings, 5_000, () => undefined);
  await waitFor('Redis', () => (redis.status === 'ready' ? true : undefined));
  const forbidden = [
    ['FLUSHALL'],
    ['FLUSHDB'],
    ['KEYS', '*'],
    ['CONFIG', 'GET', '*'],
    ['ACL', 'LIST'],
    ['SHUTDOWN'],
    ['GET', 'session:1'],
    ['DEL', '{metrics}:current'],
    ['MONITOR'],
    ['SAVE'],
    ['REPLICAOF', 'x', '1'],
  ];
  for (const [command = '', ...args] of forbidden) {
    const outcome = await redis.call(command, ...args).then(() => 'done', String);
    assert.match(outcome, /NOPERM|permissions/, command);
  }
  redis.disconnect();
  const nobody = servers.redisAs({});
  assert.match(await nobody.ping().then(() => 'let in', String), /NOAUTH/);
  nobody.disconnect();
  assert.not.match(await speakPlainly(settings.port, 'PING\r\n'), 'PONG');
});

test.run();
