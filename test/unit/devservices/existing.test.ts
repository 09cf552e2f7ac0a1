import { createServer, type Server } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { findExisting, UnusableServer } from '../../../src/devservices/existing.js';
import { freePort, type ServerKind } from '../../../src/devservices/index.js';

const test = suite<{ servers: Server[] }>('servers of others');

test.before.each((context) => {
  context.servers = [];
});
test.after.each(({ servers }) => {
  for (const server of servers) server.close();
});

/** Somebody on a port of 127.0.0.1 who says `greeting` and answers `reply` to whatever is said. */
async function listener(servers: Server[], greeting: string, reply = ''): Promise<number> {
  const port = await freePort();
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (greeting) socket.write(greeting);
    socket.on('data', () => socket.write(reply));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return port;
}

async function find(kind: ServerKind, env: NodeJS.ProcessEnv, port: number) {
  const lines: string[] = [];
  const ports = { nats: port, postgres: port, redis: port };
  const found = await findExisting(kind, env, (line) => lines.push(line), ports);
  return { found, lines };
}

const NATS_WITH_JETSTREAM = 'INFO {"server_id":"x","jetstream":true}\r\n';
const NATS_WITH_TOKEN = 'INFO {"server_id":"x","jetstream":true,"auth_required":true}\r\n';

test('what fits on the default port is used', async ({ servers }) => {
  const port = await listener(servers, NATS_WITH_JETSTREAM);
  const { found, lines } = await find('nats', {}, port);
  assert.is(found?.way, 'running');
  assert.equal(found?.env, { NATS_URL: `nats://localhost:${port}` });
  assert.equal(lines, []);
});

test('what runs on the default port is left alone where only private servers are wanted', async ({ servers }) => {
  const port = await listener(servers, NATS_WITH_JETSTREAM);
  assert.is((await find('nats', { METRICS_PRIVATE_SERVERS: '1' }, port)).found, undefined);
  const named = { METRICS_PRIVATE_SERVERS: '1', NATS_URL: `nats://127.0.0.1:${port}` };
  assert.is((await find('nats', named, 1)).found?.way, 'environment');
});

test('nobody on the default port is no trouble and needs no word', async () => {
  const port = await freePort();
  for (const kind of ['nats', 'postgres', 'redis'] as const) {
    assert.equal(await find(kind, {}, port), { found: undefined, lines: [] }, kind);
  }
});

const UNFIT: { kind: ServerKind; greeting: string; reply: string; says: RegExp }[] = [
  { kind: 'nats', greeting: 'SSH-2.0-x\r\n', reply: '', says: /is no NATS server/ },
  { kind: 'nats', greeting: 'INFO {"server_id":"x"}\r\n', reply: '', says: /without JetStream/ },
  { kind: 'nats', greeting: NATS_WITH_TOKEN, reply: '', says: /asks for credentials/ },
  { kind: 'redis', greeting: '', reply: '-NOAUTH Authentication required.\r\n', says: /asks for a password/ },
  { kind: 'redis', greeting: '', reply: 'HTTP/1.1 400 Bad Request\r\n', says: /is no Redis/ },
  { kind: 'postgres', greeting: '', reply: 'HTTP/1.1 400 Bad Request\r\n', says: /does not let user "postgres" in/ },
];

for (const { kind, greeting, reply, says } of UNFIT) {
  test(`on the default port of ${kind}, what ${says.source} is told in one line and passed over`, async ({
    servers,
  }) => {
    const port = await listener(servers, greeting, reply);
    const { found, lines } = await find(kind, {}, port);
    assert.is(found, undefined);
    assert.is(lines.length, 1);
    assert.match(lines[0] ?? '', says);
    assert.match(lines[0] ?? '', `localhost:${port}`);
    assert.not.match(lines[0] ?? '', '\n');
  });
}

test('what the environment names is used, with credentials too', async ({ servers }) => {
  const port = await listener(servers, NATS_WITH_TOKEN);
  const url = `nats://127.0.0.1:${port}`;
  const { found } = await find('nats', { NATS_URL: `nats://127.0.0.1:1,${url}`, NATS_TOKEN: 't' }, 1);
  assert.is(found?.way, 'environment');
  assert.equal(found?.env, { NATS_URL: `nats://127.0.0.1:1,${url}` });
});

test('a key lets into NATS as a token does', async ({ servers }) => {
  const port = await listener(servers, NATS_WITH_TOKEN);
  const { found } = await find('nats', { NATS_URL: `nats://127.0.0.1:${port}`, NATS_NKEY: 'service.nk' }, 1);
  assert.is(found?.way, 'environment');
});

test('a Redis behind TLS is taken for what the environment says it is', async ({ servers }) => {
  const port = await listener(servers, '', '\x15\x03\x01');
  const named = { REDIS_HOST: '127.0.0.1', REDIS_PORT: String(port) };
  assert.is((await find('redis', { ...named, REDIS_TLS: 'true' }, 1)).found?.way, 'environment');
  const error = await find('redis', named, 1).catch((thrown: unknown) => thrown);
  assert.instance(error, UnusableServer);
});

test('an empty variable names nothing', async ({ servers }) => {
  const port = await listener(servers, '', '+PONG\r\n');
  const { found } = await find('redis', { REDIS_HOST: '', REDIS_PORT: ' ' }, port);
  assert.is(found?.way, 'running');
});

test('a named server that cannot be used is a clear refusal, without its password', async () => {
  const port = await freePort();
  const cases: [ServerKind, NodeJS.ProcessEnv, RegExp][] = [
    ['nats', { NATS_URL: `nats://u:hush@127.0.0.1:${port}` }, /^NATS_URL names NATS at 127\.0\.0\.1:\d+, but nobody/],
    ['postgres', { DATABASE_URL: `postgresql://u:hush@127.0.0.1:${port}/db` }, /^DATABASE_URL names Postgres at/],
    ['redis', { REDIS_PORT: String(port), REDIS_PASSWORD: 'hush' }, /^REDIS_PORT names Redis at localhost:/],
  ];
  for (const [kind, env, says] of cases) {
    const error = await find(kind, env, 1).catch((thrown: unknown) => thrown);
    assert.instance(error, UnusableServer);
    assert.match(String((error as Error).message), says);
    assert.not.match(String((error as Error).message), 'hush');
  }
});

test.run();
