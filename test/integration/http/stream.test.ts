import { connect } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { signToken, TOKEN_DEFAULTS } from '../../../src/cli/token.js';
import { AnswerChecker } from '../../support/answer-checker.js';
import { EventReader } from '../../support/event-stream.js';
import { waitFor } from '../../support/servers.js';
import { startTestService, TEST_SECRET, TestClient, type TestService } from '../../support/service.js';

const test = suite('GET /metrics/stream');
let service: TestService;

test.before(async () => {
  service = await startTestService({ JWT_ENFORCE_SCOPES: 'true' });
  // At first Postgres answers, until the summaries have been made.
  await waitFor('answers from Redis', async () => {
    const { source } = (await service.client.get('/metrics/summary?window=1h')).json() as { source: string };
    return source === 'redis' ? true : undefined;
  });
});

test.after(async () => {
  await service.stop();
});

const open = (query = '', headers: Record<string, string> = {}, of = service): Promise<EventReader> =>
  EventReader.open(`${of.client.url}/metrics/stream${query}`, {
    authorization: `Bearer ${of.client.token}`,
    ...headers,
  });

const requestsIn = (data: string): number => (JSON.parse(data) as { api: { requests: number } }).api.requests;

async function postRequest(): Promise<void> {
  const event = { kind: 'api', service_name: 'billing', endpoint: '/pay', method: 'GET', status_code: 200 };
  assert.is((await service.client.post('/metrics/events', event)).status, 202);
}

/** The state whose tag two questions in a row agree on: nothing is under way any more. */
async function settledState(): Promise<string> {
  return await waitFor('a settled state', async () => {
    const tag = (await service.client.get('/metrics/summary?window=1h')).headers.get('etag') ?? '';
    const again = await service.client.send('GET', '/metrics/summary?window=1h', undefined, { 'if-none-match': tag });
    return again.status === 304 ? /^W\/"(.*)"$/.exec(tag)?.[1] : undefined;
  });
}

test('sends the summary at once, and again when it has changed', async () => {
  const reader = await open('?window=1h');
  assert.is(reader.response.status, 200);
  assert.is(reader.response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
  assert.match(reader.response.headers.get('cache-control') ?? '', /no-cache/);
  assert.is(reader.response.headers.get('x-accel-buffering'), 'no');
  const first = await reader.at(0);
  assert.is(first.event, 'summary');
  assert.is((JSON.parse(first.data) as { window_seconds: number }).window_seconds, 3_600);
  assert.is(reader.retryMs, 3_000);
  const asAnswer = new Headers({ 'content-type': 'application/json', etag: 'W/"a"', 'cache-control': 'no-cache' });
  new AnswerChecker().check('GET', '/metrics/summary', { status: 200, headers: asAnswer, text: first.data });
  await postRequest();
  const changed = await waitFor('the request in an event', () =>
    reader.events.find(({ data }) => requestsIn(data) === requestsIn(first.data) + 1),
  );
  assert.is.not(changed.id, first.id);
  await waitFor('the id to be the state that the tag names', async () =>
    reader.events.at(-1)?.id === (await settledState()) ? true : undefined,
  );
  reader.close();
});

test('resumes with Last-Event-ID: nothing comes until the state is another one', async () => {
  const state = await settledState();
  const resumed = await open('?window=1h', { 'last-event-id': state });
  const beside = await open('?window=1h');
  assert.is((await beside.at(0)).id, state, 'the state is known and is the one that the client has');
  assert.equal(resumed.events, []);
  await postRequest();
  const [a, b] = await Promise.all([resumed.at(0), beside.at(1)]);
  assert.is(a.id, b.id);
  assert.is.not(a.id, state);
  const outdated = await open('?window=1h', { 'last-event-id': state });
  assert.is.not((await outdated.at(0)).id, state);
  for (const reader of [resumed, beside, outdated]) reader.close();
});

test('ends when the token expires', async () => {
  const token = await signToken(TEST_SECRET, { ...TOKEN_DEFAULTS, ttlSeconds: 3 });
  const reader = await open('', { authorization: `Bearer ${token}` });
  await reader.at(0);
  await waitFor('the end of the stream', () => (reader.hasEnded ? true : undefined));
  const refused = await service.client.send('GET', '/metrics/stream', undefined, { authorization: `Bearer ${token}` });
  assert.is(refused.status, 401);
});

test('what is refused is refused before the stream begins, as a problem', async () => {
  const writer = await TestClient.of(service.app.port, { scope: 'metrics:write' });
  const refused = [
    [400, await service.client.get('/metrics/stream?window=2h')],
    [400, await service.client.get('/metrics/stream?since=1')],
    [401, await service.client.send('GET', '/metrics/stream', undefined, { authorization: '' })],
    [403, await writer.get('/metrics/stream')],
  ] as const;
  for (const [status, answer] of refused) {
    assert.is(answer.status, status);
    assert.is(answer.headers.get('content-type'), 'application/problem+json');
  }
});

test('HEAD is answered and ends', async () => {
  const answer = await service.client.send('HEAD', '/metrics/stream');
  assert.is(answer.status, 200);
  assert.is(answer.headers.get('content-type'), 'text/event-stream; charset=utf-8');
});

test('the service stops at once, whoever listens, reading or not', async () => {
  const other = await startTestService();
  const readers = await Promise.all([open('', {}, other), open('?window=7d', {}, other)]);
  await Promise.all(readers.map((reader) => reader.at(0)));
  // Never reads: its end of the connection is not even told that the stream has ended.
  const silent = connect(other.app.port, '127.0.0.1');
  silent.write(
    `GET /metrics/stream HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nAuthorization: Bearer ${other.client.token}\r\n\r\n`,
  );
  await new Promise((resolve) => silent.once('readable', resolve));
  const startMs = performance.now();
  await other.app.stop();
  const stoppedMs = performance.now() - startMs;
  await Promise.all(readers.map((reader) => waitFor('the end', () => (reader.hasEnded ? true : undefined))));
  silent.destroy();
  await other.servers.stop();
  // The lifecycle leaves a part behind after 4 s: streams must not be what takes so long.
  assert.ok(stoppedMs < 3_500, `${Math.round(stoppedMs)} ms`);
});

test.run();
