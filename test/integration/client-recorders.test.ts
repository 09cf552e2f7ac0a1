import { once } from 'node:events';
import { request as httpRequest, ServerResponse } from 'node:http';
import { connect as connectHttp2, constants } from 'node:http2';
import { Socket } from 'node:net';
import express from 'express';
import Fastify from 'fastify';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ApiEvent, expressRecorder, fastifyRecorder } from '../../src/client/index.js';
import { decodeMessage } from '../../src/events/codec.js';
import { codec, message } from '../support/messages.js';
import {
  portOf,
  type RecordedApp,
  read,
  type Sent,
  STREAMED,
  send,
  startExpress,
  startFastify,
} from '../support/recorded-apps.js';
import { waitFor } from '../support/servers.js';

const test = suite('recorders of requests');

const recorded: ApiEvent[] = [];
const faults: unknown[] = [];
const options = {
  publisher: { api: (event: ApiEvent) => recorded.push(event) > 0 },
  ignore: ['/health'],
  onFault: (error: unknown) => faults.push(error),
  user: ({ headers }: { headers: Readonly<Record<string, unknown>> }): number | undefined => {
    if (headers['x-user'] === 'throws') throw new Error('no such user');
    return headers['x-user'] === undefined ? undefined : Number(headers['x-user']);
  },
};

interface Case {
  readonly what: string;
  readonly path: string;
  readonly sent?: Sent;
  readonly told: Partial<ApiEvent>;
}

const CASES: readonly Case[] = [
  {
    what: 'a route with an id',
    path: '/users/42?token=secret',
    told: { endpoint: '/users/:id', method: 'GET', status_code: 200, request_bytes: 0 },
  },
  {
    what: 'a body',
    path: '/orders',
    sent: {
      method: 'POST',
      body: '{"sum":"3 €"}',
      headers: { 'content-type': 'application/octet-stream', 'content-length': '15' },
    },
    told: { endpoint: '/orders', method: 'POST', status_code: 201, request_bytes: 15 },
  },
  {
    what: 'a body that comes in chunks',
    path: '/orders',
    sent: { method: 'POST', body: ['12345', '6789'], headers: { 'content-type': 'application/octet-stream' } },
    told: { endpoint: '/orders', status_code: 201, request_bytes: 9 },
  },
  { what: 'an error that is thrown', path: '/fails', told: { endpoint: '/fails', status_code: 500 } },
  {
    what: 'an error in a router below another',
    path: '/tenants/77/fails/8',
    told: { endpoint: '/tenants/:tenant/fails/:id', status_code: 500 },
  },
  {
    what: 'a router with parameters',
    path: '/tenants/d%C3%BCrer/users/d%C3%BCrer',
    told: { endpoint: '/tenants/:tenant/users/:id', status_code: 200 },
  },
  {
    what: 'a stream',
    path: '/stream',
    told: { endpoint: '/stream', status_code: 200, response_bytes: Buffer.byteLength(STREAMED.join('')) },
  },
  { what: 'HEAD', path: '/users/1', sent: { method: 'HEAD' }, told: { method: 'HEAD', response_bytes: 0 } },
  { what: 'a path that nothing takes', path: '/nope/1', told: { endpoint: '(unknown)', status_code: 404 } },
  {
    what: 'a method that the route does not take',
    path: '/users/1',
    sent: { method: 'DELETE' },
    told: { endpoint: '(unknown)', method: 'DELETE', status_code: 404 },
  },
  { what: 'a user', path: '/users/1', sent: { headers: { 'x-user': '42' } }, told: { user_id: 42 } },
  { what: 'what is no user', path: '/users/1', sent: { headers: { 'x-user': '4.5' } }, told: { user_id: undefined } },
];

/** The next event that is told; one at a time, so there is no doubt which it is. */
async function told(): Promise<ApiEvent> {
  const event = await waitFor('an api event', () => recorded.shift());
  assert.equal(recorded, []);
  const sent = message('metrics.events.api.web', { ...event, service_name: 'web' }, { storedAtMs: Date.now() });
  const decoded = decodeMessage(sent, codec());
  assert.ok(decoded.ok, `the service takes it: ${JSON.stringify(decoded)}`);
  return event;
}

for (const [framework, start] of Object.entries({ Fastify: startFastify, Express: startExpress })) {
  const of = suite(`the recorder for ${framework}`);
  let app: RecordedApp;

  of.before(async () => {
    recorded.length = 0;
    faults.length = 0;
    app = await start(options);
  });

  of.after(() => app.close());

  for (const { what, path, sent = {}, told: wanted } of CASES) {
    of(`tells ${what} with its route, status and sizes`, async () => {
      const bytes = await read(await send(app.port, path, sent));
      const event = await told();
      const expected = { response_bytes: bytes, ...wanted };
      const found = Object.fromEntries(Object.keys(expected).map((key) => [key, Reflect.get(event, key)]));
      assert.equal(found, expected);
      assert.ok((event.response_time_ms ?? -1) > 0, `${event.response_time_ms} ms`);
      assert.equal(faults, []);
    });
  }

  of('tells nothing of what is ignored', async () => {
    assert.is(await read(await send(app.port, '/health?full')), 2);
    await read(await send(app.port, '/users/1'));
    assert.is((await told()).endpoint, '/users/:id');
  });

  of('tells a request without its user where the callback throws, and tells that', async () => {
    const response = await send(app.port, '/users/1', { headers: { 'x-user': 'throws' } });
    assert.is(response.statusCode, 200);
    await read(response);
    assert.is((await told()).user_id, undefined);
    assert.match(String(faults.splice(0)), /no such user/);
  });

  of('tells an answer that the client did not wait for as 499', async () => {
    const response = await send(app.port, '/endless');
    await once(response, 'data');
    response.destroy();
    const { endpoint, status_code, response_bytes } = await told();
    assert.equal(
      { endpoint, status_code, response_bytes },
      { endpoint: '/endless', status_code: 499, response_bytes: 5 },
    );
  });

  of('tells a stream that breaks after the headers as 500', async () => {
    const response = await send(app.port, '/endless');
    await once(response, 'data');
    app.breakStream();
    await read(response).catch(() => undefined);
    const { endpoint, status_code, response_bytes } = await told();
    assert.equal(
      { endpoint, status_code, response_bytes },
      { endpoint: '/endless', status_code: 500, response_bytes: 5 },
    );
  });

  of.run();
}

test('a recorder for Express beside another tells the same route', async () => {
  const told: ApiEvent[] = [];
  const sink = { api: (event: ApiEvent) => told.push(event) > 0 };
  const app = express();
  app.use(expressRecorder({ publisher: sink }), expressRecorder({ publisher: sink }));
  const router = express.Router();
  router.get('/users/:id', (_request, response) => void response.send('hers'));
  app.use('/tenants/:tenant', router);
  const server = app.listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
    await read(await send(portOf(server), '/tenants/7/users/8'));
    await waitFor('both events', () => told[1]);
    assert.equal(
      told.map(({ endpoint }) => endpoint),
      ['/tenants/:tenant/users/:id', '/tenants/:tenant/users/:id'],
    );
  } finally {
    server.close();
  }
});

test('a parameter that the application replaced by what has no text is told by its name, and breaks no request', async () => {
  const told: ApiEvent[] = [];
  const app = express();
  app.use(expressRecorder({ publisher: { api: (event) => told.push(event) > 0 } }));
  app.param('tenant', (request, _response, next) => {
    Reflect.set(request.params, 'tenant', Object.create(null));
    next();
  });
  const router = express.Router();
  router.get('/users', (_request, response) => void response.send('hers'));
  app.use('/tenants/:tenant', router);
  const server = app.listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
    const response = await send(portOf(server), '/tenants/7/users');
    assert.is(response.statusCode, 200);
    await read(response);
    assert.is((await waitFor('the event', () => told[0])).endpoint, '/:tenant/users');
  } finally {
    server.close();
  }
});

test('over HTTP/2 an answer that the client did not wait for is told as 499, and one that it has as it is', async () => {
  const told: ApiEvent[] = [];
  const app = Fastify({ http2: true });
  await app.register(fastifyRecorder({ publisher: { api: (event) => told.push(event) > 0 } }));
  app.get('/users/:id', () => 'Ada');
  app.get('/never/:id', () => new Promise(() => undefined));
  await app.listen({ port: 0, host: '127.0.0.1' });
  const client = connectHttp2(`http://127.0.0.1:${portOf(app.server)}`);
  try {
    await once(client.request({ ':path': '/users/7' }).resume(), 'end');
    await waitFor('the first event', () => told[0]);
    const arrived = once(app.server, 'request');
    const request = client.request({ ':path': '/never/7' });
    await arrived;
    request.close(constants.NGHTTP2_CANCEL);
    await waitFor('the second event', () => told[1]);
    assert.equal(
      told.map(({ endpoint, status_code }) => [endpoint, status_code]),
      [
        ['/users/:id', 200],
        ['/never/:id', 499],
      ],
    );
  } finally {
    client.destroy();
    await app.close();
  }
});

test('a WebSocket is told as 101 when it is closed, without a time', async () => {
  const told: ApiEvent[] = [];
  const app = Fastify();
  await app.register(fastifyRecorder({ publisher: { api: (event) => told.push(event) > 0 } }));
  app.get('/live/:id', (request, reply) => {
    // As @fastify/websocket does.
    reply.hijack();
    request.raw.socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  });
  app.server.on('upgrade', (request, socket) => {
    const response = new ServerResponse(request);
    if (socket instanceof Socket) response.assignSocket(socket);
    socket.resume().on('end', () => socket.end());
    app.routing(request, response);
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  try {
    const headers = { connection: 'upgrade', upgrade: 'websocket' };
    const request = httpRequest({ host: '127.0.0.1', port: portOf(app.server), path: '/live/7', headers });
    request.end();
    const [, socket] = await once(request, 'upgrade');
    socket.destroy();
    const { endpoint, status_code, response_time_ms } = await waitFor('the event', () => told[0]);
    assert.equal(
      { endpoint, status_code, response_time_ms },
      { endpoint: '/live/:id', status_code: 101, response_time_ms: undefined },
    );
  } finally {
    await app.close();
  }
});

test('a publisher that throws breaks no request', async () => {
  const broken = {
    api: (): boolean => {
      throw new Error('broken publisher');
    },
  };
  const seen: unknown[] = [];
  const app = await startExpress({ publisher: broken, onFault: (error) => seen.push(error) });
  try {
    const response = await send(app.port, '/users/1');
    assert.is(response.statusCode, 200);
    assert.is(await read(response), 14);
    await waitFor('the fault', () => seen[0]);
    assert.match(String(seen), /broken publisher/);
  } finally {
    await app.close();
  }
});

test.run();
