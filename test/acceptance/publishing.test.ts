import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../../src/devservices/index.js';
import { decodeMessage } from '../../src/events/codec.js';
import { Consumer, untilEnded } from '../support/consumer.js';
import { testPool } from '../support/database.js';
import { documented } from '../support/documented.js';
import { codec, message } from '../support/messages.js';
import { npmScript } from '../support/npm-script.js';
import { waitFor } from '../support/servers.js';
import { startTestService, type TestService } from '../support/service.js';
import { jsonObjectsIn, type Snippet, snippetsOf } from '../support/snippets.js';

const test = suite('the snippets about publishing');

const BOUND_MS = 60_000;

const snippets = [
  ...snippetsOf('README.md', 'ts', documented('README.md', '*', 'ts')),
  ...snippetsOf('README.md', 'python', documented('README.md', '*', 'python')),
  ...snippetsOf('README.md', 'go', documented('README.md', '*', 'go')),
  ...snippetsOf('README.md', 'sh', documented('README.md', '*', 'sh')),
  ...snippetsOf('docs/publishing.md', 'ts', documented('docs/publishing.md', '*', 'ts')),
];

let service: TestService;
let pool: Pool;
let consumer: Consumer;

test.before(async () => {
  const [pack = ''] = documented('docs/publishing.md', 'Publishing with the client', 'npm').filter(isPack);
  consumer = new Consumer(npmScript(pack));
  service = await startTestService();
  pool = testPool(service.servers.database.url);
});

test.after(async () => {
  await pool?.end();
  await service?.stop();
  consumer?.remove();
});

/** The snippet as it stands, with the addresses of these servers. */
function here({ code }: Snippet, port = 3000): string {
  return code
    .replaceAll('nats://localhost:4222', service.servers.nats.url)
    .replaceAll('http://localhost:8005', service.client.url)
    .replaceAll(/\b3000\b/g, String(port));
}

function isPack(line: string): boolean {
  return line.endsWith('pack:client');
}

function only(file: string, language: string, ...words: string[]): Snippet {
  const found = snippets.filter(
    (each) => each.file === file && each.language === language && words.every((word) => each.code.includes(word)),
  );
  assert.is(found.length, 1, `one ${language} snippet in ${file} with ${words.join(' and ')}`);
  return found[0] ?? { file, language, code: '' };
}

async function rows(sql: string, count: number): Promise<Record<string, unknown>[]> {
  return await waitFor(
    `${count} rows of ${sql}`,
    async () => {
      const found = await pool.query(sql);
      return found.rows.length >= count ? found.rows : undefined;
    },
    BOUND_MS,
  );
}

/** The logins of a user, with their ids; each snippet logs in another. */
async function logins(userId: number): Promise<Record<string, unknown>[]> {
  const sql = `select event_id, metadata from user_events where event_type = 'user_login' and user_id = ${userId}`;
  return await rows(sql, 1);
}

async function run(name: string, code: string): Promise<string> {
  consumer.write(name, code);
  const { code: status, output } = await untilEnded(consumer.start(process.execPath, [name]));
  assert.is(status, 0, output);
  return output;
}

test('all are found', () => {
  const languages = snippets.map(({ language }) => language);
  assert.equal(languages, ['ts', 'ts', 'ts', 'python', 'go', 'sh', 'ts', 'ts', 'ts']);
});

test('TypeScript takes those in TypeScript, by the types that come with the package', () => {
  for (const [index, snippet] of snippets.entries()) {
    if (snippet.language === 'ts') consumer.write(`snippet-${index}.ts`, here(snippet));
  }
  consumer.typecheck();
});

test('the client brings neither the service nor its dependencies', async () => {
  const manifest: { dependencies: object } = JSON.parse(
    readFileSync(join(consumer.folder, 'node_modules/metrics-service/package.json'), 'utf8'),
  );
  assert.equal(Object.keys(manifest.dependencies), ['nats']);
});

test('npm installs the folder itself, which brings the client as well', async () => {
  const lines = [
    ...documented('README.md', 'Sending events', 'npm'),
    ...documented('docs/publishing.md', 'Publishing with the client', 'npm'),
  ].filter((line) => line.startsWith('npm install '));
  // One is enough: both name the folder.
  assert.equal(lines, ['npm install <this folder>', 'npm install ../metrics-service']);
  const folder = join(consumer.folder, 'other');
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  symlinkSync(process.cwd(), join(consumer.folder, 'metrics-service'));
  const options = ['--offline', '--no-audit', '--no-fund', '--ignore-scripts'];
  const installed = spawnSync('npm', [...(lines[1] ?? '').split(' ').slice(1), ...options], { cwd: folder });
  assert.is(installed.status, 0, String(installed.stderr));
  const program = `import { createPublisher } from 'metrics-service/client'; createPublisher({ service: 'x' })`;
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { cwd: folder });
  assert.match(String(stderr), /TypeError.*servers/);
});

test("README's client: events of each kind become rows, once", async () => {
  await run('client.ts', here(only('README.md', 'ts', 'publisher.system')));
  assert.is((await logins(1)).length, 1);
  const measured = await rows(`select value from system_metrics where service_name = 'billing'`, 1);
  assert.equal(
    measured.map(({ value }) => Number(value)),
    [12.5],
  );
  const requests = await rows(`select method, status_code from api_metrics where endpoint = '/pay'`, 1);
  assert.equal(requests, [{ method: 'POST', status_code: 201 }]);
});

test("docs' client: all is stored when close resolves", async () => {
  const output = await run('options.ts', here(only('docs/publishing.md', 'ts', 'publisher.system')));
  assert.match(output, /isAllStored: true/);
  assert.match(output, /stored: 3/);
});

test('plain NATS in TypeScript', async () => {
  await run('plain.ts', here(only('README.md', 'ts', 'jetstream()')));
  const [row] = await logins(2);
  assert.equal(row?.metadata, { browser: 'firefox' });
  assert.match(String(row?.event_id), /^[0-9a-f-]{36}$/);
});

for (const [file, framework, table] of [
  ['README.md', 'fastifyRecorder', 'billing'],
  ['docs/publishing.md', 'fastifyRecorder', 'shop'],
  ['docs/publishing.md', 'expressRecorder', 'shop'],
] as const) {
  test(`${framework} of ${file} tells a request by its route, when the program ends at the latest`, async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    await pool.query(`delete from api_metrics where service_name = '${table}'`);
    consumer.write('app.ts', here(only(file, 'ts', framework), port));
    const child = consumer.start(process.execPath, ['app.ts']);
    const end = untilEnded(child);
    const answers = async (): Promise<true | undefined> =>
      (await fetch(`${url}/health`).catch(() => undefined))?.ok || undefined;
    await waitFor('the application', answers, BOUND_MS);
    const body = await (await fetch(`${url}/users/42`, { headers: { 'x-user-id': '7' } })).text();
    child.kill('SIGTERM');
    const { output } = await end;
    assert.is(output, '');
    const sql = `select endpoint, status_code, response_bytes::int from api_metrics where service_name = '${table}'`;
    assert.equal(await rows(sql, 1), [{ endpoint: '/users/:id', status_code: 200, response_bytes: body.length }]);
  });
}

test('curl', async () => {
  // `metrics token` has its own tests, and takes two seconds of the processor.
  consumer.write('token', `#!/bin/sh\necho ${service.client.token}`);
  const code = here(only('README.md', 'sh', 'curl')).replace('bin/metrics token', 'sh token');
  const child = consumer.start('bash', ['-euc', code]);
  const { code: status, output } = await untilEnded(child);
  assert.is(status, 0, output);
  assert.match(output, /"duplicate":false/);
  assert.equal((await logins(5))[0]?.metadata, { browser: 'chrome', ip: '192.168.1.0' });
});

for (const { language, code } of snippets.filter((each) => ['python', 'go', 'sh'].includes(each.language))) {
  test(`what the snippet for ${language} sends is what the service takes`, () => {
    const subject = /metrics\.events\.[a-z]+\.[\w-]+/.exec(code)?.[0] ?? 'metrics.events.user.user_login';
    const payloads = jsonObjectsIn(code);
    assert.is(payloads.length, 1);
    const decoded = decodeMessage(message(subject, payloads[0]), codec());
    assert.ok(decoded.ok, JSON.stringify(decoded));
  });
}

function succeeds(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { cwd: consumer.folder, stdio: 'ignore' }).status === 0;
}

test('Python, where nats-py is', async () => {
  if (!succeeds('python3', '-c', 'import nats')) {
    console.log('python3 with nats-py is not here: the snippet was not run, only what it sends was looked at');
    return;
  }
  consumer.write('snippet.py', here(only('README.md', 'python')));
  const { code, output } = await untilEnded(consumer.start('python3', ['snippet.py']));
  assert.is(code, 0, output);
  assert.equal((await logins(3))[0]?.metadata, { browser: 'safari' });
});

test('Go, where its compiler is and its modules are to be had', async () => {
  consumer.write('snippet.go', here(only('README.md', 'go')));
  if (!(succeeds('go', 'mod', 'init', 'example') && succeeds('go', 'mod', 'tidy'))) {
    console.log('go with nats.go is not here: the snippet was not run, only what it sends was looked at');
    return;
  }
  const { code, output } = await untilEnded(consumer.start('go', ['run', '.']));
  assert.is(code, 0, output);
  assert.equal((await logins(4))[0]?.metadata, { browser: 'edge' });
});

test.run();
