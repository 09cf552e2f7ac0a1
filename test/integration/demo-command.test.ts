import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runProcess } from '../support/command-line.js';
import { documented } from '../support/documented.js';
import { canStartServers, NpmProject, portForLater } from '../support/npm-project.js';
import type { NpmStart } from '../support/npm-start.js';
import { waitFor } from '../support/servers.js';

const FOLD_BOUND_MS = 90_000;
const LIVE = 'Live traffic has begun';

const test = suite('npm run demo');
const scenario = canStartServers() ? test : test.skip;
const project = new NpmProject();

test.before(async () => {
  project.shareServers();
  // Servers that are named are none of the demo's.
  project.env = { ...process.env, PORT: String(await portForLater()), NATS_URL: 'nats://127.0.0.1:9', ROLE: 'api' };
});
// One that a test left is not in the way of the next.
test.after.each(() => project.endLeft());
test.after(() => project.remove());

const [DEMO = '', FRESH = ''] = documented('README.md', 'A demo', 'npm', 2);

/** The command as README has it, but with a day instead of a week. */
function start(command: string): Promise<NpmStart> {
  const [npm = '', ...args] = `${command}${command.includes(' -- ') ? '' : ' --'} --days 1`.split(' ');
  assert.is(npm, 'npm');
  return project.start(LIVE, { args, dataFolder: 'demo' });
}

async function requests(npm: NpmStart): Promise<number> {
  const [url = '', token = ''] = (await npm.line('Dashboard:')).replace('Dashboard:', '').trim().split('/#token=');
  const answer = await fetch(`${url}/metrics/summary`, { headers: { authorization: `Bearer ${token}` } });
  const { api } = (await answer.json()) as { api: { requests: number } };
  return api.requests;
}

scenario('plays a day on servers of its own, with an address that works, and Ctrl-C leaves no process', async () => {
  const npm = await start(DEMO);
  assert.match(npm.output, /Playing 1 day of six services/);
  const isFolded = async (): Promise<true | undefined> => ((await requests(npm)) > 1_000 ? true : undefined);
  await waitFor('a thousand requests in the summary', isFolded, FOLD_BOUND_MS);
  await project.stop('SIGINT', 'group');
  assert.ok(existsSync(join(project.folder, '.data', 'demo', 'nats')));
  assert.not(existsSync(join(project.folder, '.data', 'dev', 'nats')), 'nothing went where npm start keeps its data');
});

// That it goes on without it, test/acceptance/demo.test.ts shows without another start.
scenario('started again with --fresh it begins anew', async () => {
  assert.match(FRESH, /--fresh$/);
  const npm = await start(FRESH);
  assert.match(npm.output, /Playing 1 day of six services/);
  await project.stop('SIGINT', 'group');
});

scenario('a number of days that makes no sense is told, with status 2', async () => {
  const { status, stderr } = await runProcess(['demo', '--days', 'many'], {}, project.folder);
  assert.is(status, 2);
  assert.match(stderr, '--days');
});

test.run();
