import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findInstalled, freePort, isRunning } from '../../src/devservices/index.js';
import { documented } from '../support/documented.js';
import { canStartServers, NpmProject, portForLater } from '../support/npm-project.js';
import { NpmStart } from '../support/npm-start.js';
import { pathWithoutServers } from '../support/project-copy.js';
import { waitFor } from '../support/servers.js';

/** The promise of Ctrl-C. */
const STOP_BOUND_MS = 10_000;

const test = suite('npm start');
const scenario = canStartServers() ? test : test.skip;
const project = new NpmProject();
const { folder } = project;

test.before(async () => {
  const env = { ...process.env, PORT: String(await portForLater()), METRICS_PRIVATE_SERVERS: '1' };
  project.env = env;
  if (!existsSync('/usr/bin/apt-get')) return;
  // Postgres is not what is missing on most machines, and the larger download by far.
  const { postgresBin } = findInstalled({ root: folder }).programs;
  const extra = postgresBin === '' ? [] : ['postgres', 'initdb'].map((name) => join(postgresBin, name));
  project.env = { ...env, PATH: pathWithoutServers(folder, extra), METRICS_SERVERS_FROM_PATH_ONLY: '1' };
});
test.after(() => project.remove());

const [START = '', TEST = ''] = documented('README.md', 'Two commands', 'npm', 2);

function start(): Promise<NpmStart> {
  return project.start('Ctrl-C stops', { args: START.split(' ').slice(1), dataFolder: 'dev' });
}

function stop(signal: NodeJS.Signals, to: 'npm' | 'group'): Promise<void> {
  return project.stop(signal, to, STOP_BOUND_MS);
}

/** What the printed curl line answers when it is pasted. */
function paste(line: string): { status: number; body: unknown } {
  const result = spawnSync('bash', ['-c', `${line} -w '\n%{http_code}'`], { encoding: 'utf8', env: project.env });
  const [body = '', status = ''] = result.stdout.split(/\n(?=\d+$)/);
  return { status: Number(status), body: JSON.parse(body || 'null') };
}

async function sendEvent(npm: NpmStart): Promise<number> {
  return paste(await npm.line(`curl -sS -X POST http://localhost:${project.env.PORT}/metrics/events`)).status;
}

/** Waits until the printed line for the summary tells of so many logins. */
async function seeLogins(npm: NpmStart, count: number): Promise<void> {
  const line = await npm.line(`curl -sS http://localhost:${project.env.PORT}/metrics/summary`);
  let last: unknown;
  await waitFor(`${count} logins in the summary`, () => {
    last = paste(line).body;
    const users = typeof last === 'object' && last !== null && 'users' in last ? last.users : undefined;
    return typeof users === 'object' && users !== null && 'logins' in users && users.logins === count
      ? true
      : undefined;
  });
}

scenario(
  'on a machine without nats-server and redis-server it ends with an address and curl lines that work',
  async () => {
    const npm = await start();
    assert.match(await npm.line('Dashboard:'), new RegExp(`http://localhost:${project.env.PORT}/#token=ey`));
    assert.is(await sendEvent(npm), 202);
    await seeLogins(npm, 1);
    assert.is(statSync(join(folder, '.data', 'jwt-secret')).mode & 0o777, 0o600);
    await stop('SIGINT', 'npm');
  },
);

scenario('a second start keeps the data, and a Ctrl-C for the whole group ends it as well', async () => {
  const npm = await start();
  await seeLogins(npm, 1);
  assert.is(await sendEvent(npm), 202);
  await seeLogins(npm, 2);
  await stop('SIGINT', 'group');
});

scenario('after a kill -9 the next start goes on with the servers that were left', async () => {
  const killed = await start();
  const { service, servers } = killed.pids();
  process.kill(service, 'SIGKILL');
  assert.is.not(await killed.ended(STOP_BOUND_MS), 0);
  assert.ok(servers.every(isRunning), 'the servers are left');
  const npm = await start();
  assert.equal(npm.pids().servers, servers, npm.output);
  await seeLogins(npm, 2);
  assert.is(await sendEvent(npm), 202);
  await seeLogins(npm, 3);
});

scenario('a second npm start beside it says that it already runs, and does no harm', async () => {
  const first = project.running;
  if (first === undefined) throw new Error('the scenario before has left none running');
  const second = new NpmStart(folder, project.env);
  assert.is(await second.ended(STOP_BOUND_MS), 1, second.output);
  assert.match(second.output, `already runs in this folder (process ${first.pids().service})`);
  await seeLogins(first, 3);
  await stop('SIGTERM', 'npm');
});

scenario('a taken PORT is one clear line and status 2, and starts nothing', async () => {
  const other = createServer();
  const port = await freePort();
  await new Promise<void>((resolve) => other.listen(port, resolve));
  try {
    const npm = new NpmStart(folder, { ...project.env, PORT: String(port) });
    assert.is(await npm.ended(STOP_BOUND_MS), 2, npm.output);
    assert.match(npm.output, `PORT ${port} is taken`);
    assert.not.match(npm.output, 'started on port');
  } finally {
    other.close();
  }
});

test('the other command is the one that runs all of this', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
  assert.equal([TEST, scripts.test], ['npm test', 'exec node scripts/test.mjs']);
});

test.run();
