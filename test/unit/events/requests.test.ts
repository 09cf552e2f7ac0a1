import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readRequestEvent } from '../../../src/events/requests.js';
import { timeBounds } from '../../../src/events/validate.js';
import { NOON_MS } from '../../support/messages.js';

const test = suite('request events');
const BOUNDS = timeBounds(NOON_MS, 90, 0);

test("the product's example is a user event", () => {
  const body = { event_type: 'user_login', user_id: 1, metadata: { browser: 'chrome', ip: '192.168.1.1' } };
  const outcome = readRequestEvent(body, { mode: 'plain' }, BOUNDS);
  assert.ok(outcome.ok);
  assert.is(outcome.value.kind, 'user');
  assert.equal({ ...outcome.value.body }, body);
  assert.is(outcome.value.occurredAtMs, undefined);
});

const CASES: readonly [what: string, body: unknown, result: string][] = [
  ['kind system', { kind: 'system', service_name: 'a', metric_name: 'm', value: 1 }, 'system'],
  ['kind api', { kind: 'api', service_name: 'a', endpoint: '/', method: 'GET', status_code: 200 }, 'api'],
  ['kind user', { kind: 'user', event_type: 'a' }, 'user'],
  ['a kind that is null', { kind: null, event_type: 'a' }, 'user'],
  ['an unknown kind', { kind: 'toString', event_type: 'a' }, 'invalid_fields'],
  ['a list', [], 'not_an_object'],
  ['no event type', {}, 'invalid_fields'],
  ...['*', '>', 'a.b', 'a b', 'a\r\nPUB x 0', '', 'x'.repeat(10_240)].map((type): [string, unknown, string] => [
    `the event type ${JSON.stringify(type.slice(0, 12))}`,
    { event_type: type },
    'invalid_fields',
  ]),
  ['a time 5 minutes and a second ahead', { event_type: 'a', occurred_at: '2026-11-24T12:05:01Z' }, 'time_in_future'],
];
for (const [what, body, result] of CASES) {
  test(`${what}: ${result}`, () => {
    const outcome = readRequestEvent(body, { mode: 'plain' }, BOUNDS);
    assert.is(outcome.ok ? outcome.value.kind : outcome.refusal.reason, result);
  });
}

test('a CloudEvent is read in structured and in binary mode', () => {
  const attributes = { specversion: '1.0', id: 'e', source: 's', type: 'metrics.user.user_login.v1' };
  const structured = readRequestEvent({ ...attributes, data: { user_id: 1 } }, { mode: 'structured' }, BOUNDS);
  const headers = new Map(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]));
  const binary = readRequestEvent({ user_id: 1 }, { mode: 'binary', header: (name) => headers.get(name) }, BOUNDS);
  assert.ok(structured.ok);
  assert.equal(structured, binary);
});

test.run();
