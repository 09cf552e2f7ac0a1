import { existsSync, mkdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findInstalled, freePort, isRunning } from '../../src/devservices/index.js';
import { runProcess } from '../support/command-line.js';
import { documented } from '../support/documented.js';
import { NpmStart } from '../support/npm-start.js';
import { copyProject } from '../support/project-copy.js';
import { waitFor } from '../support/servers.js';

const STOP_BOUND_MS = 15_000;
const FOLD_BOUND_MS = 90_000;
const LIVE = 'Live traffic has begun';

/** Without apt-get and without the servers' programs there is nothing to start it with. */
const canRun = findInstalled({ root: tmpdir() }).missing.length === 0 || existsSync('/usr/bin/apt-get');
const test = suite('npm run demo');
const scenario = canRun ? test : test.skip;

let folder = '';
let env: NodeJS.ProcessEnv = {};
let running: NpmStart | undefined;

test.before(async () => {
  folder = copyProject();
  // What this clone has unpacked need not be fetched again.
  if (existsSync('.data/servers')) {
    mkdirSync(join(folder, '.data'));
    symlinkSync(realpathSync('.data/servers'), join(folder, '.data', 'servers'));
  }
  // Servers that are named are none of the demo's.
  env = { ...process.env, PORT: String(await freePort()), NATS_URL: 'nats://127.0.0.1:9', ROLE: 'api' };
});
// One that a test left, because it failed, is not in the way of the next.
test.after.each(async () => {
  if (running !== undefined && !running.hasEnded) running.signal('SIGTERM', 'group');
  await running?.ended(STOP_BOUND_MS);
  running = undefined;
});
test.after(() => {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

const [DEMO = '', FRESH = ''] = documented('README.md', 'A demo', 'npm');

/** The command as README has it, but with a day instead of a week. */
async function start(command: string): Promise<NpmStart> {
  const [npm = '', ...args] = `${command}${command.includes(' -- ') ? '' : ' --'} --days 1`.split(' ');
  assert.is(npm, 'npm');
  running = new NpmStart(folder, env, { args, dataFolder: 'demo' });
  await running.line(LIVE);
  return running;
}

async function requests(npm: NpmStart): Promise<number> {
  const [url = '', token = ''] = (await npm.line('Dashboard:')).replace('Dashboard:', '').trim().split('/#token=');
  const answer = await fetch(`${url}/metrics/summary`, { headers: { authorization: `Bearer ${token}` } });
  const { api } = (await answer.json()) as { api: { requests: number } };
  return api.requests;
}

async function stop(npm: NpmStart): Promise<void> {
  const { service, servers } = npm.pids();
  assert.is(servers.length, 3, 'all three servers are its own');
  npm.signal('SIGINT', 'group');
  const all = [service, ...servers];
  await waitFor('the end of all', () => (all.some(isRunning) ? undefined : true), STOP_BOUND_MS);
  assert.is(await npm.ended(STOP_BOUND_MS), 0, npm.output);
}

scenario('plays a day on servers of its own, with an address that works, and Ctrl-C leaves no process', async () => {
  const npm = await start(DEMO);
  assert.match(npm.output, /Playing 1 day of six services/);
  const isFolded = async (): Promise<true | undefined> => ((await requests(npm)) > 1_000 ? true : undefined);
  await waitFor('a thousand requests in the summary', isFolded, FOLD_BOUND_MS);
  await stop(npm);
  assert.ok(existsSync(join(folder, '.data', 'demo', 'nats')));
  assert.not(existsSync(join(folder, '.data', 'dev', 'nats')), 'nothing went where npm start keeps its data');
});

// That it goes on without it, test/acceptance/demo.test.ts shows without another start.
scenario('started again with --fresh it begins anew', async () => {
  assert.match(FRESH, /--fresh$/);
  const npm = await start(FRESH);
  assert.match(npm.output, /Playing 1 day of six services/);
  await stop(npm);
});

scenario('a number of days that makes no sense is told, with status 2', async () => {
  const { status, stderr } = await runProcess(['demo', '--days', 'many'], {}, folder);
  assert.is(status, 2);
  assert.match(stderr, '--days');
});

test.run();
