import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { IMAGES } from '../../src/devservices/images.js';
import { freePort } from '../../src/devservices/index.js';
import { docker, healthOf, inspect, ROOT, tryDocker } from '../support/docker.js';
import { documented } from '../support/documented.js';
import { waitFor } from '../support/servers.js';
import { TEST_SECRET, TestClient } from '../support/service.js';

const SERVICE = 'metrics-test-image';
/** Packages, code and page; the base image, which others share, is not counted. */
const MAX_OWN_BYTES = 60_000_000;
const READY_TIMEOUT_MS = 300_000;

const [BUILD = '', RUN = ''] = documented('docs/operating.md', 'The image alone', 'docker', 2);

/** `docker …` as a document has it, with other words for some of them. */
function type(line: string, others: Readonly<Record<string, string | readonly string[]>> = {}): Promise<string> {
  const [program, ...words] = line.split(' ');
  assert.is(program, 'docker');
  for (const word of Object.keys(others)) assert.ok(words.includes(word), `${word} of ${line}`);
  return docker(...words.flatMap((word) => others[word] ?? word));
}

const test = suite<{ folder: string; client: TestClient }>('the image');
const started: string[] = [];

/** Starts one of the servers as docker-compose.yml would; answers its address among the containers. */
async function startServer(kind: keyof typeof IMAGES): Promise<string> {
  const { name, command, env } = IMAGES[kind];
  const container = `${SERVICE}-${kind}`;
  started.push(container);
  const variables = Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
  await docker('run', '--detach', '--name', container, ...variables, name, ...command);
  return inspect(container, 'range .NetworkSettings.Networks}}{{.IPAddress}}{{end');
}

/** A file made of .env.example, as its first lines say. */
function writeEnvFile(folder: string, values: Readonly<Record<string, string>>): string {
  let text = readFileSync(join(ROOT, '.env.example'), 'utf8');
  for (const [name, value] of Object.entries(values)) {
    assert.match(text, new RegExp(`^#${name}=`, 'm'));
    text = text.replace(new RegExp(`^#${name}=.*$`, 'm'), () => `${name}=${value}`);
  }
  const path = join(folder, '.env');
  writeFileSync(path, text);
  return path;
}

test.before(async (context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'image-'));
  await type(BUILD);
});
test.after(async ({ folder }) => {
  for (const container of started) await tryDocker('rm', '--force', '--volumes', container);
  rmSync(folder, { recursive: true, force: true });
});

test('it is little more than its base, and runs as a user that is not root', async () => {
  const [, base = ''] = /^FROM (\S+)/m.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8')) ?? [];
  const size = async (image: string): Promise<number> =>
    Number(await docker('image', 'inspect', '--format', '{{.Size}}', image));
  const ownBytes = (await size('metrics-service')) - (await size(base));
  console.log(`the image has ${(ownBytes / 1e6).toFixed(1)} MB of its own`);
  assert.ok(ownBytes > 1_000_000 && ownBytes < MAX_OWN_BYTES, `${ownBytes}`);
  assert.is(await docker('image', 'inspect', '--format', '{{.Config.User}}', 'metrics-service'), 'node');
});

test('without a configuration it says what is missing, and ends with 2', async () => {
  const { status, stdout, stderr } = await tryDocker('run', '--rm', 'metrics-service');
  assert.is(status, 2);
  assert.match(stdout + stderr, /JWT_SECRET/);
});

test('without its servers it names the first that does not answer, and ends with 3', async ({ folder }) => {
  const envFile = writeEnvFile(folder, { JWT_SECRET: TEST_SECRET });
  const { status, stdout, stderr } = await tryDocker('run', '--rm', '--env-file', envFile, 'metrics-service');
  assert.is(status, 3, stdout + stderr);
  assert.match(stdout + stderr, /NATS/);
});

test('with the .env of its servers it becomes healthy on a file system that it cannot write to', async (context) => {
  const [nats, postgres, redis] = [
    await startServer('nats'),
    await startServer('postgres'),
    await startServer('redis'),
  ];
  const envFile = writeEnvFile(context.folder, {
    NATS_URL: `nats://${nats}:4222`,
    DATABASE_URL: `postgresql://postgres:postgres@${postgres}:5432/metrics_db`,
    REDIS_HOST: redis,
    // Docker leaves quotes where they are, and an empty value empty.
    JWT_SECRET: `"${TEST_SECRET}"`,
    PORT: "'8005'",
    NATS_TOKEN: '',
  });
  const port = await freePort();
  started.unshift(SERVICE);
  const hardened = ['--detach', '--name', SERVICE, '--read-only', '--cap-drop', 'ALL'];
  hardened.push('--security-opt', 'no-new-privileges');
  await type(RUN, {
    '8005:8005': `127.0.0.1:${port}:8005`,
    '.env': envFile,
    'metrics-service': [...hardened, 'metrics-service'],
  });
  context.client = await TestClient.of(port);
  await waitFor(
    'the health check',
    async () => ((await healthOf(SERVICE)) === 'healthy' ? true : undefined),
    READY_TIMEOUT_MS,
  );
  assert.is(await docker('exec', SERVICE, 'id', '-u'), '1000');
  const written = await tryDocker('exec', SERVICE, 'sh', '-c', 'touch /app/file');
  assert.match(written.stderr, /read-only/i);
});

test('it takes an event, counts it, and is ready', async ({ client }) => {
  await waitFor(
    'readiness',
    async () => ((await fetch(`${client.url}/health/detailed`)).status === 200 ? true : undefined),
    READY_TIMEOUT_MS,
  );
  const sent = await client.post('/metrics/events', { event_type: 'user_login', user_id: 1 });
  assert.is(sent.status, 202);
  await waitFor('the login', async () => {
    const answer = await client.get('/metrics/summary');
    return JSON.stringify(answer.json()).includes('"logins":1') ? true : undefined;
  });
});

test('it serves the page and the documentation, of which it keeps the built files alone', async ({ client }) => {
  const paths = ['/', '/docs', '/docs/swagger-ui-bundle.js', '/redoc', '/redoc/redoc.standalone.js', '/asyncapi'];
  for (const path of paths) assert.is((await fetch(client.url + path)).status, 200, path);
});

test('the command line is there', async () => {
  const metrics = (...args: string[]): Promise<string> => docker('exec', SERVICE, 'node', 'dist/src/main.js', ...args);
  assert.match(await metrics('token', '--sub', 'me'), /^[\w-]+\.[\w-]+\.[\w-]+$/);
  await metrics('verify'); // It ends with 1, and this throws, where anything differs.
  assert.match(await metrics('status'), /METRICS/);
});

test('SIGTERM ends it with 0 before Docker would kill it, which is after 10 s unless told', async () => {
  await docker('stop', '--time', '10', SERVICE);
  assert.is(await inspect(SERVICE, '.State.ExitCode'), '0');
});

test.run();
