import { createRequire } from 'node:module';
import { Ajv } from 'ajv';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { REFUSALS } from '../../../src/http/schemas/refusals.js';
import { startTestService, type TestService } from '../../support/service.js';

const test = suite('The documentation');
let service: TestService;

test.before(async () => {
  service = await startTestService();
});

test.after(async () => {
  await service.stop();
});

const get = (path: string) => service.client.send('GET', path, undefined, { authorization: '' });

/** Addresses that HTML or CSS makes a browser load. */
function assetsOf(text: string, contentType: string): string[] {
  const found = contentType.startsWith('text/html')
    ? text.matchAll(/<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)="([^"]+)"/g)
    : text.matchAll(/(?:url\(\s*["']?|@import\s+["'])([^"')]+)/g);
  return [...found].map(([, address = '']) => address).filter((address) => !address.startsWith('data:'));
}

const TYPES = /^(text\/(javascript|css|html); charset=utf-8|image\/png|application\/json; charset=utf-8)$/;

for (const path of ['/docs', '/redoc', '/asyncapi']) {
  test(`${path} is served with all that it loads, by this process alone`, async () => {
    const page = await get(path);
    assert.is(page.status, 200);
    const policy = page.headers.get('content-security-policy') ?? '';
    assert.match(policy, /^default-src 'none'; /);
    assert.not.match(policy, /unsafe-eval|https?:|\*/);
    assert.not.match(policy, /script-src[^;]*unsafe-inline/);
    assert.not.match(page.text, /<script(?![^>]*\bsrc=)/, 'no script stands in the page itself');
    const waiting = [path];
    const seen = new Set<string>();
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (seen.has(next)) continue;
      seen.add(next);
      assert.match(next, /^\/[^/]/, 'lies on this host');
      const answer = await get(next);
      assert.is(answer.status, 200, next);
      const contentType = answer.headers.get('content-type') ?? '';
      assert.match(contentType, TYPES);
      assert.is(answer.headers.get('x-content-type-options'), 'nosniff');
      assert.match(answer.headers.get('etag') ?? '', /^"/);
      if (/html|css/.test(contentType)) waiting.push(...assetsOf(answer.text, contentType));
    }
    assert.ok(seen.size >= 3, [...seen].join(' '));
  });
}

test('where no origin is named, no page of another one is let in', async () => {
  for (const method of ['GET', 'OPTIONS']) {
    const answer = await fetch(`${service.client.url}/metrics/summary`, {
      method,
      headers: { origin: 'https://dashboard.example', 'access-control-request-method': 'GET' },
    });
    assert.is(answer.status, method === 'GET' ? 401 : 405);
    assert.not.ok([...answer.headers.keys()].some((name) => name.startsWith('access-control-')));
  }
});

test('names that are not in the list are not there', async () => {
  for (const path of [
    '/docs/index.html',
    '/docs/package.json',
    '/docs/..%2fpackage.json',
    '/docs/%2e%2e/%2e%2e/package.json',
    '/redoc/redoc.standalone.js.map',
    '/redoc/swagger.js',
    '/asyncapi/__proto__',
  ]) {
    const answer = await get(path);
    assert.is(answer.status, 404, path);
    assert.is(answer.headers.get('content-type'), 'application/problem+json');
  }
});

test('/asyncapi.json is valid AsyncAPI 3.0', async () => {
  const answer = await get('/asyncapi.json');
  assert.is(answer.status, 200);
  const document: unknown = answer.json();
  const schema: unknown = createRequire(import.meta.url)('@asyncapi/specs/schemas/3.0.0-without-$id.json');
  const ajv = new Ajv({ strict: false, validateFormats: false });
  const validate = ajv.compile(schema as object);
  assert.ok(validate(document), JSON.stringify(validate.errors, null, 2));
  assert.not.ok(validate({ ...(document as object), channels: [] }), 'the schema bites');
});

interface Message {
  readonly headers: object;
  readonly payload: object;
  readonly examples: readonly { readonly headers?: object; readonly payload: unknown }[];
}

test('/asyncapi.json: its references lead somewhere, and its examples are as its schemas say', async () => {
  const document = (await get('/asyncapi.json')).json() as {
    channels: Record<string, { address: string; parameters?: Record<string, { enum?: string[] }> }>;
    components: { messages: Record<string, Message> };
  };
  for (const [, reference = ''] of JSON.stringify(document).matchAll(/"\$ref":"#([^"]+)"/g)) {
    const target = reference
      .slice(1)
      .split('/')
      .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document);
    assert.ok(target !== undefined, reference);
  }
  assert.equal(
    Object.values(document.channels).map(({ address }) => address),
    [
      'metrics.events.user.{event_type}',
      'metrics.events.system.{service_name}',
      'metrics.events.api.{service_name}',
      'metrics.alert',
      'metrics.deadletter.{reason}',
      'metrics.deadletter.notification_failed',
    ],
  );
  assert.equal(document.channels.deadLetters?.parameters?.reason?.enum, Object.keys(REFUSALS));
  const ajv = new Ajv({ strict: false, validateFormats: false });
  for (const [name, { headers, payload, examples }] of Object.entries(document.components.messages)) {
    assert.ok(examples.length > 0, name);
    for (const example of examples) {
      assert.ok(ajv.validate(payload, example.payload), `${name}: ${ajv.errorsText()}`);
      assert.ok(ajv.validate(headers, example.headers ?? {}), `${name}: ${ajv.errorsText()}`);
    }
  }
});

test.run();
