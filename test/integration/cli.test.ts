import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Environment } from '../../src/config.js';
import { freePort } from '../../src/devservices/index.js';
import type { OperationalStatus } from '../../src/queries/get-status.js';
import { type Ended, runHere, runProcess } from '../support/command-line.js';
import { testPool } from '../support/database.js';
import { MAIN } from '../support/programs.js';
import { waitFor } from '../support/servers.js';
import { startTestService, TestClient, type TestService } from '../support/service.js';

const COMMAND_TIMEOUT_MS = 60_000;

const test = suite('The command line');
let service: TestService;

test.before(async () => {
  service = await startTestService();
});

test.after(async () => {
  await service.stop();
});

/** Runs a command with the servers of the test and what differs; the service goes on meanwhile. */
function run(args: readonly string[], env: Environment = {}): Promise<Ended> {
  return runHere(args, { ...service.servers.env, ...env });
}

/** The same as a person would: for how the process ends. */
function runAlone(args: readonly string[], env: Environment = {}): Promise<Ended> {
  return runProcess(args, { ...service.servers.env, ...env });
}

test('help is no mistake, anything unknown is', async () => {
  assert.match((await runAlone(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
  const help = await run(['--help']);
  assert.is(help.status, 0);
  for (const command of ['serve', 'migrate', 'token', 'status', 'verify']) assert.match(help.stdout, command);
  for (const wrong of [[], ['nothing'], ['token', '--nothing'], ['token', '--ttl', 'soon'], ['status', 'more']]) {
    const { status, stdout, stderr } = await run(wrong);
    assert.is(status, 2, wrong.join(' '));
    assert.is(stdout, '');
    assert.is.not(stderr, '');
  }
  const alone = await runAlone(['nothing']);
  assert.equal([alone.status, alone.stdout], [2, '']);
});

test('a token is printed that the service takes', async () => {
  const { status, stdout } = await run(['token', '--sub', 'me', '--scope', 'metrics:read', '--ttl', '5m']);
  assert.is(status, 0);
  const client = new TestClient(`http://127.0.0.1:${service.app.port}`, stdout.trim());
  assert.is((await client.get('/metrics/summary')).status, 200);
});

test('issuer and audience that the service asks for are in the token', async () => {
  const { stdout } = await run(['token'], { JWT_ISSUER: 'https://issuer', JWT_AUDIENCE: 'metrics' });
  const claims = JSON.parse(Buffer.from(stdout.split('.')[1] ?? '', 'base64url').toString());
  assert.is(claims.iss, 'https://issuer');
  assert.is(claims.aud, 'metrics');
});

test('migrate finds nothing left to do', async () => {
  assert.equal(await run(['migrate', '--json']), { status: 0, stdout: '{"migrations":[]}\n', stderr: '' });
  assert.is((await run(['migrate'])).status, 0);
});

test('status tells of streams and projections, as a table and as JSON', async () => {
  const client = await TestClient.of(service.app.port);
  await waitFor('the summaries', async () => {
    const { projections } = (await client.get('/health/detailed')).json() as OperationalStatus;
    return projections.every(({ lag_events }) => lag_events === 0) ? true : undefined;
  });
  const table = await runAlone(['status']);
  assert.is(table.status, 0, table.stderr);
  for (const word of ['tables', 'summaries', 'sessions', 'METRICS', 'METRICS_ALERTS', 'METRICS_DEADLETTERS']) {
    assert.match(table.stdout, word);
  }
  const status = JSON.parse((await run(['status', '--json'])).stdout) as OperationalStatus;
  assert.is(status.status, 'ok');
  assert.equal(
    status.projections.map(({ name, lag_events }) => [name, lag_events]),
    [
      ['tables', 0],
      ['summaries', 0],
      ['sessions', 0],
    ],
  );
});

test('verify finds everything as the log says, or says what is not, with status 1', async () => {
  const client = await TestClient.of(service.app.port);
  await client.post('/metrics/events', { event_type: 'user_login', user_id: 1, id: 'verified' });
  await waitFor('the summaries', async () => {
    const { projections } = (await client.get('/health/detailed')).json() as OperationalStatus;
    return projections.every(({ lag_events, sequence }) => lag_events === 0 && sequence !== 0) ? true : undefined;
  });
  const fine = await run(['verify', '--json']);
  assert.is(fine.status, 0, fine.stdout + fine.stderr);
  assert.is(JSON.parse(fine.stdout).equal, true);
  const pool = testPool(service.servers.database.url, 1);
  await pool.query(`update user_events set user_id = 2 where event_id = 'verified'`);
  const wrong = await run(['verify']);
  await pool.query(`update user_events set user_id = 1 where event_id = 'verified'`);
  await pool.end();
  assert.is(wrong.status, 1, wrong.stderr);
  assert.match(wrong.stdout, 'changed 1: verified');
  assert.match(wrong.stdout, 'Not everything is as the log says');
  for (const days of [
    ['--from', '2026-02-30'],
    ['--from', '2026-11-24', '--to', '2026-11-23'],
  ]) {
    assert.is((await run(['verify', ...days])).status, 2);
  }
});

test('a server that is away gives 3', async () => {
  const nobody = await freePort();
  assert.is((await runAlone(['status'], { NATS_URL: `nats://127.0.0.1:${nobody}`, JWT_SECRET: '' })).status, 3);
  assert.is((await run(['verify'], { NATS_URL: `nats://127.0.0.1:${nobody}` })).status, 3);
  const withoutRedis = await run(['verify'], { REDIS_PORT: String(nobody) });
  assert.is(withoutRedis.status, 3);
  assert.match(withoutRedis.stdout, 'Redis does not answer');
  const migrate = await run(['migrate'], {
    DATABASE_URL: `postgresql://postgres:secret-word@127.0.0.1:${nobody}/metrics_db`,
  });
  assert.is(migrate.status, 3);
  assert.not.match(migrate.stderr, 'secret-word');
});

test('told to stop while it waits for a server, it ends at once with 0', async () => {
  const nobody = await freePort();
  const child = spawn(process.execPath, [MAIN, 'serve'], {
    cwd: tmpdir(),
    env: { PATH: process.env.PATH, ...service.servers.env, NATS_URL: `nats://127.0.0.1:${nobody}`, LOG_LEVEL: 'INFO' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let log = '';
  child.stdout.on('data', (data: Buffer) => {
    log += data.toString();
  });
  await waitFor('it to wait', () => (log.includes('Waiting for a server') ? true : undefined), COMMAND_TIMEOUT_MS);
  child.kill('SIGTERM');
  await waitFor('its end', () => (child.exitCode === null ? undefined : true));
  assert.is(child.exitCode, 0);
});

test('a database that stays away ends the service with 3, though NATS is there', async () => {
  const nobody = await freePort();
  const url = `postgresql://postgres:secret-word@127.0.0.1:${nobody}/metrics_db`;
  const { status, stdout, stderr } = await runAlone(['serve'], { DATABASE_URL: url, PORT: '0' });
  assert.is(status, 3);
  assert.match(stderr, 'Postgres');
  assert.not.match(stdout + stderr, 'secret-word');
});

test('rules that are wrong are refused at start, each with file and line', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'metrics-rules-'));
  const file = join(folder, 'alerts.yaml');
  writeFileSync(file, 'alerts:\n  - { name: a, condition: eror_rate > 1 }\n  - { name: a b, condition: errors > 1 }\n');
  const { status, stderr } = await run(['serve'], { ALERTS_FILE: file, PORT: '0' });
  assert.is(status, 2);
  assert.match(stderr, `${file}:2`);
  assert.match(stderr, 'did you mean error_rate');
  assert.match(stderr, `${file}:3`);
  rmSync(folder, { recursive: true });
});

test('a port that is taken is a mistake in the configuration', async () => {
  const { status, stderr } = await run(['serve'], { PORT: String(service.app.port) });
  assert.is(status, 2);
  assert.match(stderr, 'PORT');
  assert.not.match(stderr, 'at ');
});

test('a wrong password for Postgres is told without a stack', async () => {
  const { status, stderr } = await run(['migrate'], {
    DATABASE_URL: service.servers.database.url.replace(/:[^:@]*@/, ':secret-word@'),
  });
  assert.is(status, 3);
  assert.not.match(stderr, /secret-word|at /);
});

test('everything that is wrong in the environment is listed at once, by name, with status 2', async () => {
  const wrong = {
    PORT: 'eighty',
    ROLE: 'cook',
    LOG_LEVEL: 'LOUD',
    DATABASE_URL: 'mysql://root:secret-word@localhost/x',
    JWT_SECRET: 'short-secret',
    METRICS_RETENTION_DAYS: '0',
    ALERT_THRESHOLD_ERROR_RATE: '2',
  };
  const { status, stderr } = await run(['serve'], wrong);
  assert.is(status, 2);
  for (const name of Object.keys(wrong)) assert.match(stderr, name);
  assert.not.match(stderr, /secret-word|short-secret/);
});

test.run();
