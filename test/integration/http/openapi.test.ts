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

test('names addresses that are there, and statuses that they answer with', async () => {
  for (const [path, methods] of Object.entries((await document()).paths)) {
    for (const [method, { responses }] of Object.entries(methods)) {
      const answer = await service.client.send(method.toUpperCase(), path, method === 'post' ? '{}' : undefined);
      assert.is.not(answer.status, 404, path);
      assert.ok(String(answer.status) in responses, `${method} ${path}: ${answer.status}`);
    }
  }
});

test('points to nothing that is not there', async () => {
  const found = await document();
  const references = [...JSON.stringify(found).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)];
  assert.ok(references.length > 0);
  for (const [, name = ''] of references) assert.ok(name in found.components.schemas, name);
});

test.run();
