import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startTestService, TestClient, type TestService } from '../../support/service.js';

const test = suite('Who is answered');
let service: TestService;

test.before(async () => {
  service = await startTestService({ JWT_ENFORCE_SCOPES: 'true', PROMETHEUS_TOKEN: 'scrape-me' });
});

test.after(async () => {
  await service.stop();
});

const PRIVATE: [method: string, path: string][] = [
  ['POST', '/metrics/events'],
  ['POST', '/metrics/events/batch'],
  ['GET', '/metrics/summary'],
  ['GET', '/metrics/services/health'],
  ['GET', '/metrics/dashboard'],
  ['GET', '/metrics/stream'],
  ['GET', '/metrics/alerts'],
  ['POST', '/metrics/alerts/some/ack'],
  ['GET', '/metrics/alerts/silences'],
  ['POST', '/metrics/alerts/silences'],
  ['DELETE', '/metrics/alerts/silences/some'],
];

for (const [method, path] of PRIVATE) {
  test(`${method} ${path} asks for a token`, async () => {
    for (const authorization of ['', 'Basic abc', 'Bearer', 'Bearer garbage', 'Bearer a b']) {
      const answer = await service.client.send(method, path, method === 'POST' ? '{}' : undefined, { authorization });
      assert.is(answer.status, 401, authorization);
      assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer realm=/);
      assert.is(answer.headers.get('content-type'), 'application/problem+json');
      assert.is((answer.json() as { status: number }).status, 401);
    }
  });
}

test('no spelling of an address gets around the guard', async () => {
  const paths = [
    '/%6detrics/summary',
    '//metrics/summary',
    '/metrics/summary/',
    '/metrics//summary',
    '/METRICS/summary',
    '/metrics/summary;x',
  ];
  for (const path of paths) {
    const answer = await service.client.send('GET', path, undefined, { authorization: '' });
    assert.ok([401, 404].includes(answer.status), `${path}: ${answer.status}`);
    assert.is(answer.headers.get('content-type'), 'application/problem+json', path);
  }
});

test('an address that is malformed or not there is a problem, and its text is not repeated', async () => {
  for (const [path, status] of [
    ['/%zz', 400],
    ['/secret-in-a-path', 404],
  ] as const) {
    const answer = await service.client.get(path);
    assert.is(answer.status, status);
    assert.is(answer.headers.get('content-type'), 'application/problem+json', path);
    assert.not.match(answer.text, /secret-in-a-path/);
  }
});

test('scopes are enforced', async () => {
  const reader = await TestClient.of(service.app.port, { scope: 'metrics:read' });
  const writer = await TestClient.of(service.app.port, { scope: 'metrics:write' });
  assert.is((await reader.get('/metrics/summary')).status, 200);
  assert.is((await writer.post('/metrics/events', { event_type: 'a' })).status, 202);
  for (const refused of [
    await writer.get('/metrics/summary'),
    await reader.post('/metrics/events', { event_type: 'a' }),
  ]) {
    assert.is(refused.status, 403);
    assert.match(refused.headers.get('www-authenticate') ?? '', /insufficient_scope/);
  }
});

test('the scrape has a token of its own', async () => {
  assert.is((await service.client.get('/metrics/prometheus')).status, 401);
  const answer = await service.client.send('GET', '/metrics/prometheus', undefined, {
    authorization: 'Bearer scrape-me',
  });
  assert.is(answer.status, 200);
  assert.match(answer.text, /^# HELP http_requests_total /m);
});

test('health is public, and tells no address and no secret', async () => {
  const alive = await service.client.send('GET', '/health', undefined, { authorization: '' });
  assert.equal(alive.json(), { status: 'ok' });
  const ready = await service.client.send('GET', '/health/detailed', undefined, { authorization: '' });
  assert.is(ready.status, 200, ready.text);
  assert.not.match(ready.text, /127\.0\.0\.1|localhost|postgres:|password/);
});

test('the page is public, loads nothing from elsewhere, and stands in no frame', async () => {
  const page = await service.client.send('GET', '/', undefined, { authorization: '' });
  assert.is(page.status, 200);
  assert.is(page.headers.get('content-type'), 'text/html; charset=utf-8');
  const policy = page.headers.get('content-security-policy') ?? '';
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.not.match(page.text, /https?:/);
  for (const asset of page.text.matchAll(/(?:src|href)="([^"]+)"/g)) {
    const answer = await service.client.send('GET', asset[1] ?? '', undefined, { authorization: '' });
    assert.is(answer.status, 200, asset[1]);
    assert.match(answer.headers.get('content-type') ?? '', /^(text\/(javascript|css)|image\/svg)/);
    assert.match(answer.headers.get('cache-control') ?? '', /immutable/);
  }
});

const BAD_PARAMETERS = [
  '/metrics/summary?window=2h',
  '/metrics/summary?windwo=1h',
  '/metrics/summary?window=1h&window=24h',
  '/metrics/services/health?limit=1e9',
  '/metrics/dashboard?from=2026-02-30T00:00:00Z',
  '/metrics/dashboard?from=-1h&to=-2h',
  '/metrics/dashboard?from=-9999d',
  "/metrics/dashboard?interval=1'%3B%20drop%20table%20user_events",
];

for (const path of BAD_PARAMETERS) {
  test(`GET ${path} is answered with 400`, async () => {
    const answer = await service.client.get(path);
    assert.is(answer.status, 400, answer.text);
    assert.ok((answer.json() as { errors: unknown[] }).errors.length > 0);
  });
}

test.run();
