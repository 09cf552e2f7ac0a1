import { createConnection } from 'node:net';
import { gzipSync } from 'node:zlib';
import { connect } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startTestService, type TestService } from '../../support/service.js';

const test = suite('POST /metrics/events');
let service: TestService;

test.before(async () => {
  service = await startTestService();
});

test.after(async () => {
  await service.stop();
});

/** The newest message of METRICS, as any NATS client sees it. */
async function newestMessage() {
  const connection = await connect({ servers: service.servers.nats.url });
  try {
    const manager = await connection.jetstreamManager();
    const { state } = await manager.streams.info('METRICS');
    const { subject, data, header } = await manager.streams.getMessage('METRICS', { seq: state.last_seq });
    return {
      subject,
      id: header.get('Nats-Msg-Id'),
      body: JSON.parse(new TextDecoder().decode(data)),
      sequence: state.last_seq,
    };
  } finally {
    await connection.close();
  }
}

test("the product's example is stored as it stands, but for the last part of the address", async () => {
  const answer = await service.client.post(
    '/metrics/events',
    '{"event_type":"user_login","user_id":1,"metadata":{"browser":"chrome","ip":"192.168.1.1"}}',
  );
  assert.is(answer.status, 202);
  const { id, stream, sequence, duplicate } = answer.json() as Record<string, unknown>;
  assert.is(stream, 'METRICS');
  assert.is(duplicate, false);
  const stored = await newestMessage();
  assert.is(stored.sequence, sequence);
  assert.is(stored.id, id);
  assert.is(stored.subject, 'metrics.events.user.user_login');
  assert.is(stored.body.user_id, 1);
  assert.is(stored.body.schema_version, 1);
  assert.equal(stored.body.metadata, { browser: 'chrome', ip: '192.168.1.0' });
});

test('an event of each kind goes to the subject of its kind', async () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ kind: 'user', event_type: 'user_logout', user_id: 7 }, 'metrics.events.user.user_logout'],
    [
      { kind: 'system', service_name: 'billing', metric_name: 'cpu_usage', value: 12.5 },
      'metrics.events.system.billing',
    ],
    [
      {
        kind: 'api',
        service_name: 'billing',
        endpoint: '/pay',
        method: 'POST',
        status_code: 201,
        response_time_ms: 3.25,
      },
      'metrics.events.api.billing',
    ],
  ];
  for (const [event, subject] of cases) {
    assert.is((await service.client.post('/metrics/events', event)).status, 202);
    assert.is((await newestMessage()).subject, subject);
  }
});

test('the same id again is a duplicate and adds nothing', async () => {
  const event = { id: 'order-1', event_type: 'order_placed' };
  const first = (await service.client.post('/metrics/events', event)).json() as { sequence: number };
  const again = await service.client.post('/metrics/events', event);
  assert.is(again.status, 202);
  assert.equal(again.json(), { id: 'order-1', stream: 'METRICS', sequence: first.sequence, duplicate: true });
});

test('CloudEvents come in structured and in binary mode', async () => {
  const attributes = { specversion: '1.0', id: 'ce-1', source: '/shop', type: 'metrics.user.user_login.v1' };
  const structured = await service.client.post(
    '/metrics/events',
    { ...attributes, time: new Date().toISOString(), data: { user_id: 3 } },
    'application/cloudevents+json; charset=utf-8',
  );
  assert.is(structured.status, 202, structured.text);
  assert.is((structured.json() as { id: string }).id, 'ce-1');
  const binary = await service.client.send(
    'POST',
    '/metrics/events',
    '{"metric_name":"cpu_usage","service_name":"a","value":1}',
    {
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': 'ce-2',
      'ce-source': '/shop',
      'ce-type': 'metrics.system.v1',
    },
  );
  assert.is(binary.status, 202, binary.text);
  assert.is((await newestMessage()).subject, 'metrics.events.system.a');
});

const BAD_BODIES: [name: string, body: string | Buffer, contentType: string, status: number, reason?: string][] = [
  ['another content type', 'event_type=a', 'application/x-www-form-urlencoded', 415],
  ['no JSON', '{"event_type":', 'application/json', 400, 'invalid_json'],
  ['trailing garbage', '{"event_type":"a"} x', 'application/json', 400, 'invalid_json'],
  ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), 'application/json', 400, 'invalid_utf8'],
  ['__proto__', '{"event_type":"a","metadata":{"x":{"__proto__":{"y":1}}}}', 'application/json', 400, 'forbidden_key'],
  ['no object', '[]', 'application/json', 422, 'not_an_object'],
  ['unknown kind', '{"kind":"else","event_type":"a"}', 'application/json', 422, 'invalid_fields'],
  ['event type with a wildcard', '{"event_type":"a.>"}', 'application/json', 422, 'invalid_fields'],
  ['event type with CR LF', '{"event_type":"a\\r\\nPUB x 0"}', 'application/json', 422, 'invalid_fields'],
  [
    'a version that is not known yet',
    '{"event_type":"a","schema_version":2}',
    'application/json',
    422,
    'unsupported_version',
  ],
  ['user id beyond int32', '{"event_type":"a","user_id":2147483648}', 'application/json', 422, 'invalid_fields'],
  ['U+0000', '{"event_type":"a","metadata":{"x":"\\u0000"}}', 'application/json', 422, 'text_not_storable'],
  [
    'a day that is not',
    '{"event_type":"a","occurred_at":"2026-02-30T00:00:00Z"}',
    'application/json',
    422,
    'time_invalid',
  ],
  [
    'the far future',
    '{"event_type":"a","occurred_at":"2999-01-01T00:00:00Z"}',
    'application/json',
    422,
    'time_in_future',
  ],
  ['the far past', '{"event_type":"a","occurred_at":"1999-01-01T00:00:00Z"}', 'application/json', 422, 'time_too_old'],
  ['too large', JSON.stringify({ event_type: 'a', metadata: { x: 'y'.repeat(70_000) } }), 'application/json', 413],
];

for (const [name, body, contentType, status, reason] of BAD_BODIES) {
  test(`${name} is answered with ${status} as problem details, and nothing is stored`, async () => {
    const before = await newestMessage();
    const answer = await service.client.send('POST', '/metrics/events', body, { 'content-type': contentType });
    assert.is(answer.status, status, answer.text);
    assert.is(answer.headers.get('content-type'), 'application/problem+json');
    const problem = answer.json() as Record<string, unknown>;
    assert.is(problem.status, status);
    for (const member of ['type', 'title', 'detail']) assert.type(problem[member], 'string');
    if (reason !== undefined) {
      assert.is(problem.reason, reason);
      assert.ok(Array.isArray(problem.errors) && problem.errors.length > 0);
    }
    assert.is((await newestMessage()).sequence, before.sequence);
  });
}

test('a compressed body is not unpacked', async () => {
  const answer = await service.client.send('POST', '/metrics/events', gzipSync('{"event_type":"a"}'), {
    'content-type': 'application/json',
    'content-encoding': 'gzip',
  });
  assert.is(answer.status, 415);
});

test('a chunked body is cut off at the limit as well', async () => {
  const chunk = new TextEncoder().encode('x'.repeat(10_000));
  let sent = 0;
  const body = new ReadableStream({
    pull(controller) {
      sent += 1;
      if (sent > 100) controller.close();
      else controller.enqueue(chunk);
    },
  });
  const request: RequestInit & { duplex: 'half' } = { method: 'POST', body, duplex: 'half' };
  const response = await fetch(`${service.client.url}/metrics/events`, {
    ...request,
    headers: { ...(await authorization()), 'content-type': 'application/json' },
  });
  assert.is(response.status, 413);
});

async function authorization(): Promise<Record<string, string>> {
  const { signToken, TOKEN_DEFAULTS } = await import('../../../src/cli/token.js');
  const { TEST_SECRET } = await import('../../support/service.js');
  return { authorization: `Bearer ${await signToken(TEST_SECRET, TOKEN_DEFAULTS)}` };
}

test('a batch stores the good events and lists the bad ones by index', async () => {
  const answer = await service.client.post('/metrics/events/batch', {
    events: [
      { id: 'b-1', event_type: 'a' },
      { event_type: 'not a token' },
      { id: 'b-2', kind: 'system', service_name: 's', metric_name: 'm', value: 1 },
      17,
      { id: 'b-1', event_type: 'a' },
    ],
  });
  assert.is(answer.status, 202, answer.text);
  const { accepted, duplicates, rejected } = answer.json() as {
    accepted: number;
    duplicates: number;
    rejected: { index: number; errors: unknown[] }[];
  };
  assert.is(accepted, 2);
  assert.is(duplicates, 1);
  assert.equal(
    rejected.map(({ index }) => index),
    [1, 3],
  );
  assert.ok(rejected.every(({ errors }) => errors.length > 0));
});

test('of a batch no address enters the log either', async () => {
  const events = [{ kind: 'api', service_name: 'geo', endpoint: '/at/2001:db8:1::6', method: 'GET', status_code: 200 }];
  assert.is((await service.client.post('/metrics/events/batch', { events })).status, 202);
  assert.is((await newestMessage()).body.endpoint, '/at/2001:db8:1::');
});

test('a batch comes as lines, too, and a line that is no JSON spoils only itself', async () => {
  const lines = ['{"event_type":"a"}', '', '{"event_type":', '{"event_type":"b"}\r', ''].join('\n');
  const answer = await service.client.post('/metrics/events/batch', lines, 'application/x-ndjson');
  assert.is(answer.status, 202, answer.text);
  const { accepted, rejected } = answer.json() as { accepted: number; rejected: { index: number; reason: string }[] };
  assert.is(accepted, 2);
  assert.equal(
    rejected.map(({ index, reason }) => [index, reason]),
    [[1, 'invalid_json']],
  );
});

test('a line that is too long for an event spoils only itself', async () => {
  const long = JSON.stringify({ event_type: 'a', metadata: { x: 'y'.repeat(70_000) } });
  const answer = await service.client.post(
    '/metrics/events/batch',
    `${long}\n{"event_type":"a"}`,
    'application/x-ndjson',
  );
  assert.is(answer.status, 202, answer.text);
  const { accepted, rejected } = answer.json() as { accepted: number; rejected: { index: number; reason: string }[] };
  assert.is(accepted, 1);
  assert.equal(
    rejected.map(({ index, reason }) => [index, reason]),
    [[0, 'object_too_large']],
  );
});

test('a batch of CloudEvents is taken', async () => {
  const event = (id: string) => ({
    specversion: '1.0',
    id,
    source: '/s',
    type: 'metrics.user.a.v1',
    data: { user_id: 1 },
  });
  const answer = await service.client.post(
    '/metrics/events/batch',
    [event('cb-1'), event('cb-2'), { specversion: '1.0' }],
    'application/cloudevents-batch+json',
  );
  assert.is(answer.status, 202, answer.text);
  const { accepted, rejected } = answer.json() as { accepted: number; rejected: { index: number }[] };
  assert.is(accepted, 2);
  assert.equal(
    rejected.map(({ index }) => index),
    [2],
  );
});

const BAD_BATCHES: [name: string, body: string, status: number][] = [
  ['an empty batch', '{"events":[]}', 422],
  ['no list', '{"events":{}}', 422],
  ['no valid event', '{"events":[{"event_type":"*"}]}', 422],
  ['more than 10,000 events', JSON.stringify({ events: new Array(10_001).fill({ event_type: 'a' }) }), 413],
  ['more than 8 MiB', JSON.stringify({ events: [], filler: 'x'.repeat(8 * 1024 * 1024) }), 413],
  ['half a batch', '{"events":[', 400],
];

for (const [name, body, status] of BAD_BATCHES) {
  test(`${name} is answered with ${status}`, async () => {
    const answer = await service.client.post('/metrics/events/batch', body);
    assert.is(answer.status, status, answer.text);
    assert.is(answer.headers.get('content-type'), 'application/problem+json');
  });
}

test('headers beyond 16 KB are answered with 431 as problem details', async () => {
  const { hostname, port } = new URL(service.client.url);
  const text = await new Promise<string>((resolve, reject) => {
    const socket = createConnection(Number(port), hostname, () => {
      socket.write(`GET /health HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${'a'.repeat(65_536)}\r\n\r\n`);
    });
    let received = '';
    socket.on('data', (data) => {
      received += data.toString();
    });
    socket.once('close', () => resolve(received));
    socket.once('error', reject);
  });
  assert.match(text, /^HTTP\/1\.1 431 /);
  assert.match(text, /application\/problem\+json/);
});

test.run();
