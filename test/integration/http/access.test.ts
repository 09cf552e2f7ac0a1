import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { startTestService, TestClient, type TestService } from '../../support/service.js';

const test = suite('Who is answered');
let service: TestService;

const ORIGIN = 'https://dashboard.example';

test.before(async () => {
  service = await startTestService({
    JWT_ENFORCE_SCOPES: 'true',
    PROMETHEUS_TOKEN: 'scrape-me',
    CORS_ORIGINS: `${ORIGIN}, http://localhost:3000`,
    DOCS_ENABLED: 'false',
  });
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

/** What browsers are told on each answer, whatever it is. */
function assertSecured(headers: Headers, what: string): void {
  const told = ['x-content-type-options', 'x-frame-options', 'referrer-policy', 'cross-origin-resource-policy'];
  assert.equal(
    told.map((name) => headers.get(name)),
    ['nosniff', 'DENY', 'no-referrer', 'same-origin'],
    what,
  );
  assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none';.*frame-ancestors 'none'/, what);
  assert.not.ok(headers.has('server') || headers.has('x-powered-by'), what);
}

test('every answer tells browsers to guess nothing, to frame it nowhere and to run nothing else', async () => {
  const asked = [
    ['GET', '/', 200],
    ['GET', '/health', 200],
    ['GET', '/metrics/summary', 200],
    ['POST', '/metrics/events', 415],
    ['DELETE', '/metrics/summary', 405],
    ['GET', '/nowhere', 404],
    ['GET', '/%zz', 400],
  ] as const;
  for (const [method, path, status] of asked) {
    const answer = await service.client.send(method, path);
    assert.is(answer.status, status, path);
    assertSecured(answer.headers, path);
  }
  const unknown = await service.client.send('GET', '/metrics/summary', undefined, { authorization: '' });
  assertSecured(unknown.headers, 'without a token');
});

test('where the descriptions are switched off they are not there', async () => {
  for (const path of ['/docs', '/redoc', '/openapi.json', '/asyncapi', '/asyncapi.json', '/docs/swagger.js']) {
    assert.is((await ask('GET', path, {})).status, 404, path);
  }
});

/** Without the checker of answers: a preflight is no route, and of descriptions /openapi.json says that they are there. */
function ask(method: string, path: string, headers: Record<string, string>): Promise<Response> {
  return fetch(service.client.url + path, { method, headers });
}

test('pages of a named origin are let in, and may ask with a token', async () => {
  const preflight = await ask('OPTIONS', '/metrics/events', {
    origin: ORIGIN,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization, content-type',
  });
  assert.is(preflight.status, 204);
  assert.is(preflight.headers.get('access-control-allow-origin'), ORIGIN);
  assert.match(preflight.headers.get('access-control-allow-methods') ?? '', /\bPOST\b/);
  assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /authorization, content-type/);
  assert.not.ok(preflight.headers.has('access-control-allow-credentials'));
  const asked = ['/metrics/summary', '/metrics/stream'].map(async (path) => {
    const answer = await ask('GET', path, { origin: ORIGIN, authorization: `Bearer ${service.client.token}` });
    assert.equal([answer.status, answer.headers.get('access-control-allow-origin')], [200, ORIGIN], path);
    assert.is(answer.headers.get('vary'), 'origin');
    await answer.body?.cancel();
  });
  await Promise.all(asked);
  // What was refused can be read as well, or the page would not know why.
  const refused = await ask('GET', '/metrics/summary', { origin: ORIGIN });
  assert.equal([refused.status, refused.headers.get('access-control-allow-origin')], [401, ORIGIN]);
});

test('pages of all other origins are not, and nothing but what lies below /metrics/ is shared', async () => {
  const strangers = [
    'https://evil.example',
    'http://dashboard.example',
    `${ORIGIN}.evil.example`,
    `${ORIGIN}:8443`,
    'null',
  ];
  for (const origin of strangers) {
    const headers = { origin, 'access-control-request-method': 'GET', authorization: `Bearer ${service.client.token}` };
    for (const method of ['OPTIONS', 'GET']) {
      const answer = await ask(method, '/metrics/summary', headers);
      assert.not.ok(answer.headers.has('access-control-allow-origin'), `${method} ${origin}`);
      assert.is(answer.headers.get('vary'), 'origin');
    }
  }
  assert.not.ok((await ask('GET', '/', { origin: ORIGIN })).headers.has('access-control-allow-origin'));
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
