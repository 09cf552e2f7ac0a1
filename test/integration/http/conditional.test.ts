import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { waitFor } from '../../support/servers.js';
import { startTestService, type TestService } from '../../support/service.js';

const test = suite('Conditional requests');
let service: TestService;

test.before(async () => {
  service = await startTestService();
});

test.after(async () => {
  await service.stop();
});

const ask = (path: string, tag: string) => service.client.send('GET', path, undefined, { 'if-none-match': tag });

const STATES = [
  '/metrics/summary?window=1h',
  '/metrics/services/health',
  '/metrics/dashboard?from=-1h&compare=previous',
];

for (const path of STATES) {
  test(`${path} is answered with 304 until what it says changes`, async () => {
    const event = { kind: 'api', service_name: 'billing', endpoint: '/pay', method: 'GET', status_code: 200 };
    const { tag, unchanged } = await waitFor('two answers with the same state', async () => {
      const answer = await service.client.get(path);
      assert.is(answer.status, 200, answer.text);
      const tag = answer.headers.get('etag') ?? '';
      assert.match(tag, /^W\/"[\w-]{43}"$/);
      const unchanged = await ask(path, `"another", ${tag}`);
      return unchanged.status === 304 ? { tag, unchanged } : undefined;
    });
    assert.is(unchanged.text, '');
    assert.is(unchanged.headers.get('etag'), tag);
    assert.is(unchanged.headers.get('cache-control'), 'private, no-cache');
    assert.is(unchanged.headers.get('content-type'), null);
    assert.is((await ask(path, '*')).status, 304);

    assert.is((await service.client.post('/metrics/events', event)).status, 202);
    const changed = await waitFor('another state', async () => {
      const answer = await ask(path, tag);
      return answer.status === 200 ? answer : undefined;
    });
    assert.is.not(changed.headers.get('etag'), tag);
    assert.is(changed.headers.get('cache-control'), 'private, no-cache');
    assert.is(changed.headers.get('content-type'), 'application/json; charset=utf-8');
  });
}

test('a refusal has no tag and is kept by nobody', async () => {
  const answer = await ask('/metrics/summary?window=2h', '*');
  assert.is(answer.status, 400);
  assert.is(answer.headers.get('etag'), null);
  assert.is(answer.headers.get('cache-control'), 'no-store');
});

for (const path of ['/openapi.json', '/', 'the script of /']) {
  test(`${path} has a strong tag`, async () => {
    const script = /src="([^"]+)"/.exec((await service.client.get('/')).text)?.[1] ?? '';
    const address = path.startsWith('/') ? path : script;
    const answer = await service.client.get(address);
    const tag = answer.headers.get('etag') ?? '';
    assert.match(tag, /^"[\w-]{43}"$/);
    const unchanged = await ask(address, `W/${tag}`);
    assert.is(unchanged.status, 304);
    assert.is(unchanged.text, '');
    assert.is(unchanged.headers.get('etag'), tag);
    assert.is(unchanged.headers.get('cache-control'), answer.headers.get('cache-control'));
  });
}

test.run();
