import { createConnection, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PostInFlight } from '../../support/post-in-flight.js';
import { waitFor } from '../../support/servers.js';
import { startTestService, TestClient, type TestService } from '../../support/service.js';

const test = suite('More than is taken');
let service: TestService;

const MAX_CONNECTIONS = 40;
const MAX_IN_FLIGHT = 4;
const REQUESTS = 20;
const IDLE_SECONDS = 2;
const WINDOW_SECONDS = 3_600;
const EVENT = { event_type: 'user_login' };

test.before(async () => {
  service = await startTestService({
    HTTP_MAX_CONNECTIONS: String(MAX_CONNECTIONS),
    HTTP_MAX_IN_FLIGHT: String(MAX_IN_FLIGHT),
    HTTP_MAX_BATCH_MEBIBYTES: '8',
    HTTP_IDLE_TIMEOUT: String(IDLE_SECONDS),
    // A machine that is busy elsewhere is not what is tried here.
    HTTP_MAX_EVENT_LOOP_DELAY: '60000',
    RATE_LIMIT_REQUESTS: String(REQUESTS),
    RATE_LIMIT_WINDOW: String(WINDOW_SECONDS),
  });
});

test.after(async () => {
  await service.stop();
});

/** A bearer who has all requests left. */
const bearer = (sub: string): Promise<TestClient> => TestClient.of(service.app.port, { sub });

async function shedCount(reason: string): Promise<number> {
  const { text } = await service.client.get('/metrics/prometheus');
  const name = `metrics_service_requests_shed_total{reason="${reason}"}`;
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(name))
      ?.split(' ')[1],
  );
}

test('each bearer has so many requests in a window, and is told how many are left', async () => {
  const client = await bearer('eager');
  for (let left = REQUESTS - 1; left >= 0; left -= 1) {
    const answer = await client.post('/metrics/events', EVENT);
    assert.is(answer.status, 202, answer.text);
    assert.is(answer.headers.get('ratelimit-policy'), `"token";q=${REQUESTS};w=${WINDOW_SECONDS}`);
    assert.match(answer.headers.get('ratelimit') ?? '', new RegExp(`^"token";r=${left};t=\\d+$`));
  }
  for (const refused of [await client.post('/metrics/events', EVENT), await client.get('/metrics/summary')]) {
    assert.is(refused.status, 429);
    assert.match(refused.text, /problem:too_many_requests/);
    const seconds = Number(refused.headers.get('retry-after'));
    assert.ok(seconds > 0 && seconds <= WINDOW_SECONDS / REQUESTS, `${seconds}`);
    assert.is(refused.headers.get('ratelimit'), `"token";r=0;t=${seconds}`);
  }
  assert.is(await shedCount('rate_limit'), 2);
  assert.is((await (await bearer('another')).get('/metrics/summary')).status, 200);
});

test('a batch counts by its events, and who has no token counts for nobody', async () => {
  const client = await bearer('batches');
  const answer = await client.post('/metrics/events/batch', { events: new Array(100).fill(EVENT) });
  assert.is(answer.status, 202);
  assert.match((await client.get('/metrics/summary')).headers.get('ratelimit') ?? '', /^"token";r=8;/);
  const forged = await client.send('GET', '/metrics/summary', undefined, { authorization: 'Bearer forged' });
  assert.equal([forged.status, forged.headers.get('ratelimit')], [401, null]);
});

test('past so many requests at a time the answer is 503, and those in flight are answered', async () => {
  const client = await bearer('slow');
  const url = `${client.url}/metrics/events`;
  const posts = await Promise.all(
    Array.from({ length: MAX_IN_FLIGHT }, () => PostInFlight.begin(url, client.token, EVENT)),
  );
  const refused = await client.post('/metrics/events', EVENT);
  assert.equal([refused.status, refused.headers.get('retry-after')], [503, '1']);
  assert.match(refused.text, /problem:overloaded/);
  assert.is((await client.get('/health')).status, 200);
  assert.is(await shedCount('in_flight'), 1);
  assert.equal(await Promise.all(posts.map((post) => post.finish())), new Array(MAX_IN_FLIGHT).fill(202));
  await waitFor('a place', async () =>
    (await client.post('/metrics/events', EVENT)).status === 202 ? true : undefined,
  );
});

test('bodies of batches are kept up to a bound', async () => {
  const client = await bearer('large');
  const url = `${client.url}/metrics/events/batch`;
  const half = { events: [EVENT], filler: 'x'.repeat(5_000_000) };
  // Its body is held back but for its last byte, so that what came of it is kept.
  const socket = createConnection(service.app.port, '127.0.0.1');
  const text = JSON.stringify(half);
  let answered = '';
  socket.on('data', (data) => {
    answered += data.toString();
  });
  socket.write(
    `POST ${new URL(url).pathname} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${client.token}\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text.slice(0, -1)}`,
  );
  let tries = 0;
  const refused = await waitFor('a refusal', async () => {
    tries += 1;
    // While the first one is under way still, the second is taken; and each bearer has so many only.
    const answer = await (await bearer(`large-${tries}`)).post('/metrics/events/batch', half);
    return answer.status === 503 ? answer : undefined;
  });
  assert.match(refused.text, /problem:overloaded/);
  socket.write(text.slice(-1));
  await waitFor('the first one', () => (answered.startsWith('HTTP/1.1 202 ') ? true : undefined));
  socket.destroy();
  assert.is((await client.post('/metrics/events/batch', half)).status, 202);
});

/** Opens a connection, and answers what becomes of it. */
function openSocket(): { socket: Socket; isClosed: () => boolean } {
  const socket = createConnection(service.app.port, '127.0.0.1');
  let isClosed = false;
  socket.on('error', () => undefined);
  socket.on('close', () => {
    isClosed = true;
  });
  return { socket, isClosed: () => isClosed };
}

test('connections past the bound are closed', async () => {
  const opened = Array.from({ length: 2 * MAX_CONNECTIONS }, openSocket);
  try {
    await waitFor('the ones too many to be closed', () =>
      opened.filter(({ isClosed }) => isClosed()).length >= MAX_CONNECTIONS ? true : undefined,
    );
  } finally {
    for (const { socket } of opened) socket.destroy();
  }
  await waitFor('an answer', async () => {
    const answer = await fetch(`${service.client.url}/health`).catch(() => undefined);
    return answer?.status === 200 ? true : undefined;
  });
});

test('who does not read is cut off', async () => {
  const { socket, isClosed } = openSocket();
  socket.pause();
  // More than the sockets of both sides hold.
  socket.write('GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(60));
  let probedMs = performance.now();
  await waitFor('the connection to be closed', () => {
    // Who does not read learns by writing alone that the other side has closed; and whoever writes is not idle, so seldom.
    if (performance.now() - probedMs > 3 * IDLE_SECONDS * 1000) {
      probedMs = performance.now();
      socket.write('\r\n');
    }
    return isClosed() ? true : undefined;
  });
});

test.run();
