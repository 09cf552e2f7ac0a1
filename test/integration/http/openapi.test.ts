import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ApiEventSchema, SystemEventSchema, UserEventSchema } from '../../../src/events/kinds.js';
import { startTestService, type TestService } from '../../support/service.js';

const test = suite('/openapi.json');
let service: TestService;

test.before(async () => {
  service = await startTestService();
});

test.after(async () => {
  await service.stop();
});

interface Document {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
  readonly components: { schemas: Record<string, unknown> };
}

async function document(): Promise<Document> {
  const answer = await service.client.send('GET', '/openapi.json', undefined, { authorization: '' });
  assert.is(answer.status, 200);
  return answer.json() as Document;
}

test('has the schemas that events are validated with', async () => {
  const { components, openapi } = await document();
  assert.is(openapi, '3.1.0');
  const plain = (schema: unknown): unknown => JSON.parse(JSON.stringify(schema));
  assert.equal(components.schemas.UserEvent, plain(UserEventSchema));
  assert.equal(components.schemas.SystemEvent, plain(SystemEventSchema));
  assert.equal(components.schemas.ApiEvent, plain(ApiEventSchema));
});

test('is valid OpenAPI 3.1', async () => {
  const found = await document();
  const validate = (value: unknown) => new Validator().validate(JSON.parse(JSON.stringify(value)));
  const result = await validate(found);
  assert.ok(result.valid, JSON.stringify(result.errors));
  assert.not.ok((await validate({ ...found, paths: { 'no-slash': { get: 1 } } })).valid, 'the validator bites');
});

test('names addresses that are there, and statuses that they answer with', async () => {
  for (const [path, methods] of Object.entries((await document()).paths)) {
    for (const [method, { responses }] of Object.entries(methods)) {
      // A stream does not end; its own test reads it.
      const verb = path === '/metrics/stream' ? 'HEAD' : method.toUpperCase();
      const answer = await service.client.send(verb, path, method === 'post' ? '{}' : undefined);
      // A file below /docs has a name of its own; its page's test asks for each.
      if (!path.includes('{')) assert.is.not(answer.status, 404, path);
      assert.ok(String(answer.status) in responses, `${method} ${path}: ${answer.status}`);
    }
  }
});

test('has examples of everything, as its schemas say', async () => {
  const found = await document();
  // That the schemas are ones is tried above.
  const ajv = new Ajv2020({ strict: false, validateSchema: false });
  addFormats.default(ajv);
  ajv.addSchema(found, 'openapi.json');
  let examples = 0;
  const visit = (value: unknown, pointer: string): void => {
    if (typeof value !== 'object' || value === null) return;
    const { example, examples: named, schema } = value as Record<string, unknown>;
    if (schema !== undefined && /\/content\/[^/]+$/.test(pointer)) {
      const all = [example, ...Object.values(named ?? {}).map((each) => (each as { value: unknown }).value)];
      for (const one of all.filter((each) => each !== undefined)) {
        examples += 1;
        assert.ok(ajv.validate({ $ref: `openapi.json#${pointer}/schema` }, one), `${pointer}: ${ajv.errorsText()}`);
      }
      const isDocument =
        /paths\/~1(docs|redoc|asyncapi|assets|openapi|\/get)/.test(pointer) || pointer.includes('paths/~1/');
      assert.ok(all.length > 1 || example !== undefined || isDocument, `${pointer} has no example`);
    }
    for (const [key, child] of Object.entries(value)) {
      visit(child, `${pointer}/${encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))}`);
    }
  };
  visit(found.paths, '/paths');
  assert.ok(examples > 100, `${examples} examples`);
});

test('a method that an address does not take is answered with 405 and those that it takes', async () => {
  for (const [method, path, allow] of [
    ['DELETE', '/metrics/summary', 'GET, HEAD'],
    ['GET', '/metrics/events', 'POST'],
    ['PUT', '/metrics/events/batch?x=1', 'POST'],
    ['POST', '/health', 'GET, HEAD'],
    ['POST', '/docs/swagger.js', 'GET, HEAD'],
  ] as const) {
    const answer = await service.client.send(method, path);
    assert.is(answer.status, 405, `${method} ${path}`);
    assert.is(answer.headers.get('allow'), allow);
  }
  assert.is((await service.client.send('DELETE', '/nothing')).status, 404);
});

test('points to nothing that is not there', async () => {
  const found = await document();
  const references = [...JSON.stringify(found).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)];
  assert.ok(references.length > 0);
  for (const [, name = ''] of references) assert.ok(name in found.components.schemas, name);
});

test.run();
