import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeMessage } from '../../../src/events/codec.js';
import type { RefusalReason } from '../../../src/events/refusals.js';
import { codec, message, NOON_MS } from '../../support/messages.js';

const test = suite('refusals');

const LOGIN = 'metrics.events.user.user_login';
const CPU = 'metrics.events.system.billing';
const REQUEST = 'metrics.events.api.web';

const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
const manyKeys = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, index]));
const at = (timeMs: number): { occurred_at: string } => ({ occurred_at: new Date(timeMs).toISOString() });
const DAY_MS = 86_400_000;
const api = (fields: object) => ({ endpoint: '/', method: 'GET', status_code: 200, ...fields });
const measure = (value: string) => `{"metric_name":"m","value":${value}}`;

type Case = readonly [what: string, subject: string, body: unknown, reason: RefusalReason | 'accepted'];

const BODIES: readonly Case[] = [
  ['nothing at all', LOGIN, '', 'invalid_json'],
  ['no JSON', LOGIN, 'hello', 'invalid_json'],
  ['a truncated body', LOGIN, '{"user_id":1', 'invalid_json'],
  ['trailing garbage', LOGIN, '{"user_id":1} x', 'invalid_json'],
  ['two bodies', LOGIN, '{}{}', 'invalid_json'],
  ['NaN', CPU, measure('NaN'), 'invalid_json'],
  ['invalid UTF-8', LOGIN, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'invalid_utf8'],
  ['truncated UTF-8', LOGIN, Buffer.from('{"metadata":{"a":"é').subarray(0, -1), 'invalid_utf8'],
  ['an array', LOGIN, '[]', 'not_an_object'],
  ['a string', LOGIN, '"x"', 'not_an_object'],
  ['null', LOGIN, 'null', 'not_an_object'],
  ['1 MB that is no JSON', LOGIN, 'x'.repeat(1_000_000), 'invalid_json'],
  ['1 MB of brackets', LOGIN, '['.repeat(1_000_000), 'too_deep'],
  ['1 MB of a deep object', LOGIN, nested(150_000), 'too_deep'],
];

const KEYS: readonly Case[] = [
  ['__proto__', LOGIN, '{"__proto__":{"a":1}}', 'forbidden_key'],
  ['__proto__ deeper', LOGIN, '{"metadata":{"a":[{"__proto__":null}]}}', 'forbidden_key'],
  ['__proto__ in escapes', LOGIN, '{"metadata":{"\\u005f_proto__":1}}', 'forbidden_key'],
  ['constructor.prototype', LOGIN, '{"metadata":{"constructor":{"prototype":{"a":1}}}}', 'forbidden_key'],
  ['a constructor that is a word', LOGIN, '{"metadata":{"constructor":"Ford"}}', 'accepted'],
];

const OBJECTS: readonly Case[] = [
  ['10 levels of metadata', LOGIN, `{"metadata":${nested(10)}}`, 'accepted'],
  ['11 levels of metadata', LOGIN, `{"metadata":${nested(11)}}`, 'too_deep'],
  ['11 levels of arrays', LOGIN, `{"metadata":{"a":${'['.repeat(10)}${']'.repeat(10)}}}`, 'too_deep'],
  ['64 keys', LOGIN, { metadata: manyKeys(64) }, 'accepted'],
  ['65 keys', LOGIN, { metadata: manyKeys(65) }, 'object_too_large'],
  ['65 keys deeper', LOGIN, { metadata: { a: [manyKeys(65)] } }, 'object_too_large'],
  ['16 KB of metadata', LOGIN, { metadata: { a: 'x'.repeat(16_384 - 8) } }, 'accepted'],
  [
    'an array of more items than 16 KB can hold',
    LOGIN,
    { metadata: { a: new Array(8_193).fill(0) } },
    'object_too_large',
  ],
  ['more than 16 KB of metadata', LOGIN, { metadata: { a: 'x'.repeat(16_384 - 7) } }, 'object_too_large'],
  ['more than 16 KB in two-byte characters', LOGIN, { metadata: { a: 'é'.repeat(8_192) } }, 'object_too_large'],
  ['more than 16 KB of tags', CPU, { metric_name: 'm', value: 1, tags: { a: 'x'.repeat(17_000) } }, 'object_too_large'],
  ['metadata that is an array', LOGIN, { metadata: [1] }, 'invalid_fields'],
  ['metadata that is text', LOGIN, { metadata: 'x' }, 'invalid_fields'],
];

const TEXTS: readonly Case[] = [
  ['U+0000 in metadata', LOGIN, '{"metadata":{"a":"\\u0000"}}', 'text_not_storable'],
  ['U+0000 in a key', LOGIN, '{"metadata":{"a\\u0000":1}}', 'text_not_storable'],
  ['a lone high surrogate', LOGIN, '{"metadata":{"a":"\\ud800"}}', 'text_not_storable'],
  ['a lone low surrogate', LOGIN, '{"metadata":{"a":["\\udc00"]}}', 'text_not_storable'],
  ['a lone surrogate in a key', LOGIN, '{"metadata":{"\\ud800":1}}', 'text_not_storable'],
  ['a pair of surrogates', LOGIN, '{"metadata":{"a":"\\ud83d\\ude00"}}', 'accepted'],
  ['U+0000 in the endpoint', REQUEST, '{"endpoint":"/\\u0000","method":"GET","status_code":200}', 'text_not_storable'],
  [
    'a lone surrogate in the endpoint',
    REQUEST,
    '{"endpoint":"/\\ud800","method":"GET","status_code":200}',
    'text_not_storable',
  ],
  ['an endpoint of 2048 characters beyond the BMP', REQUEST, api({ endpoint: '😀'.repeat(2048) }), 'accepted'],
  [
    'an endpoint of 2049 combining characters',
    REQUEST,
    api({ endpoint: `e${'\u0301'.repeat(2048)}` }),
    'invalid_fields',
  ],
  ['an empty endpoint', REQUEST, api({ endpoint: '' }), 'invalid_fields'],
];

const NUMBERS: readonly Case[] = [
  ['1e400 as a value', CPU, measure('1e400'), 'invalid_fields'],
  ['1e400 in metadata', LOGIN, '{"metadata":{"a":1e400}}', 'number_out_of_range'],
  ['2^53 - 1', LOGIN, '{"metadata":{"a":9007199254740991}}', 'accepted'],
  ['2^53 + 1 in metadata', LOGIN, '{"metadata":{"a":9007199254740993}}', 'number_out_of_range'],
  ['-2^53 - 1 in a list', LOGIN, '{"metadata":{"a":[-9007199254740993]}}', 'number_out_of_range'],
  ['2^53 + 1 as a value', CPU, measure('9007199254740993'), 'invalid_fields'],
  ['a value that is text', CPU, measure('"1"'), 'invalid_fields'],
  ['a value of -0', CPU, measure('-0'), 'accepted'],
  ['the smallest value', CPU, measure('5e-324'), 'accepted'],
  ['the largest int32 user', LOGIN, { user_id: 2_147_483_647 }, 'accepted'],
  ['a user beyond int32', LOGIN, { user_id: 2_147_483_648 }, 'invalid_fields'],
  ['a user below int32', LOGIN, { user_id: -2_147_483_649 }, 'invalid_fields'],
  ['a user of 1.5', LOGIN, { user_id: 1.5 }, 'invalid_fields'],
  ['a user that is text', LOGIN, { user_id: '1' }, 'invalid_fields'],
  ['a status of 99', REQUEST, api({ status_code: 99 }), 'invalid_fields'],
  ['a status of 600', REQUEST, api({ status_code: 600 }), 'invalid_fields'],
  ['a negative response time', REQUEST, api({ response_time_ms: -1 }), 'invalid_fields'],
  ['1 TiB', REQUEST, api({ response_bytes: 2 ** 40 }), 'accepted'],
  ['more than 1 TiB', REQUEST, api({ response_bytes: 2 ** 40 + 1 }), 'invalid_fields'],
  ['half a byte', REQUEST, api({ request_bytes: 0.5 }), 'invalid_fields'],
];

const TIMES: readonly Case[] = [
  ['2026-02-30', LOGIN, { occurred_at: '2026-02-30T00:00:00Z' }, 'time_invalid'],
  ['the year 275760', LOGIN, { occurred_at: '+275760-09-13T00:00:00Z' }, 'time_invalid'],
  ['a number', LOGIN, { occurred_at: 1_764_000_000 }, 'invalid_fields'],
  ['5 minutes ahead', LOGIN, at(NOON_MS + 5 * 60_000), 'accepted'],
  ['more than 5 minutes ahead', LOGIN, at(NOON_MS + 6 * 60_000), 'time_in_future'],
  ['the year 9999', LOGIN, { occurred_at: '9999-12-31T23:59:59Z' }, 'time_in_future'],
  ['as old as the retention', LOGIN, at(NOON_MS - 90 * DAY_MS), 'accepted'],
  ['older than the retention', LOGIN, at(NOON_MS - 90 * DAY_MS - 60_000), 'time_too_old'],
  ['the year 0', LOGIN, { occurred_at: '0000-01-01T00:00:00Z' }, 'time_too_old'],
];

const NAMES: readonly Case[] = [
  ['another event type than the subject', LOGIN, { event_type: 'user_logout' }, 'subject_mismatch'],
  ['another service than the subject', CPU, { service_name: 'x', metric_name: 'm', value: 1 }, 'subject_mismatch'],
  ['an event type that is a number', LOGIN, { event_type: 5 }, 'invalid_fields'],
  ['a subject of an unknown kind', 'metrics.events.other.a', {}, 'unknown_subject'],
  ['a subject with one token too many', 'metrics.events.user.a.b', {}, 'unknown_subject'],
  ['an event type in the subject that is no token', 'metrics.events.user.a$b', {}, 'invalid_fields'],
  ['an event type of 10 KB', `metrics.events.user.${'x'.repeat(10_240)}`, {}, 'invalid_fields'],
  ['no metric name', CPU, { value: 1 }, 'invalid_fields'],
  ['a metric name with a dot', CPU, { metric_name: 'a.b', value: 1 }, 'invalid_fields'],
  ['a method with a space', REQUEST, api({ method: 'GET /' }), 'invalid_fields'],
  ['an id with a space', LOGIN, { id: 'a b' }, 'invalid_id'],
  ['an empty id', LOGIN, { id: '' }, 'invalid_id'],
  ['an id of 129 characters', LOGIN, { id: 'x'.repeat(129) }, 'invalid_id'],
  ['an id of 128 characters', LOGIN, { id: 'x'.repeat(128) }, 'accepted'],
  ['an id that is a number', LOGIN, { id: 5 }, 'invalid_id'],
  ['a wrong id and a wrong user', LOGIN, { id: 5, user_id: 'x' }, 'invalid_fields'],
];

for (const [what, subject, body, reason] of [
  ...BODIES,
  ...KEYS,
  ...OBJECTS,
  ...TEXTS,
  ...NUMBERS,
  ...TIMES,
  ...NAMES,
]) {
  test(`${what}: ${reason}`, () => {
    const outcome = decodeMessage(message(subject, body), codec());
    assert.is(outcome.ok ? 'accepted' : outcome.refusal.reason, reason);
    if (!outcome.ok) assert.ok(outcome.refusal.errors.length > 0, 'a refusal tells where');
  });
}

for (const id of ['a b', 'é', 'x'.repeat(129)]) {
  test(`the header Nats-Msg-Id ${JSON.stringify(id.slice(0, 8))} of ${id.length} characters is refused`, () => {
    const outcome = decodeMessage(message(LOGIN, {}, { headers: { 'Nats-Msg-Id': id } }), codec());
    assert.is(outcome.ok ? 'accepted' : outcome.refusal.reason, 'invalid_id');
  });
}

test('a refusal points at every field that is wrong', () => {
  const outcome = decodeMessage(message(REQUEST, { method: 'GET /', status_code: 'x' }), codec());
  assert.not.ok(outcome.ok);
  if (outcome.ok) return;
  const pointers = outcome.refusal.errors.map(({ pointer }) => pointer);
  assert.equal([...new Set(pointers)].sort(), ['/endpoint', '/method', '/status_code']);
});

test('a pointer escapes the characters that JSON pointers give a meaning', () => {
  const outcome = decodeMessage(message(LOGIN, '{"metadata":{"a/b~c":"\\u0000"}}'), codec());
  assert.not.ok(outcome.ok);
  if (!outcome.ok) assert.is(outcome.refusal.errors[0]?.pointer, '/metadata/a~1b~0c');
});

test.run();
