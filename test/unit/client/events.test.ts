import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type ApiEvent,
  type ClientEvent,
  encodeEvent,
  type SystemEvent,
  type UserEvent,
} from '../../../src/client/events.js';
import { decodeMessage } from '../../../src/events/codec.js';
import { type ApiEventBody, EVENT_KINDS, type SystemEventBody, type UserEventBody } from '../../../src/events/kinds.js';
import { currentVersion } from '../../../src/events/upcasts.js';
import { codec, message, NOON_MS } from '../../support/messages.js';

const test = suite("the client's events");

const DEFAULTS = { service: 'billing', newId: () => 'new-id', nowMs: () => NOON_MS };

// The compiler holds the client's types to the schemas: the same fields, of the same types.
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Fields<T> = { [Key in keyof T as Exclude<Key, 'schema_version'>]-?: Exclude<T[Key], undefined> };
type Plain<T> = { -readonly [Key in keyof T]: T[Key] extends Readonly<Record<string, unknown>> ? object : T[Key] };
const held: readonly [
  Same<Plain<Fields<UserEvent>>, Plain<Fields<UserEventBody>>>,
  Same<Plain<Fields<SystemEvent>>, Plain<Fields<SystemEventBody>>>,
  Same<Plain<Fields<ApiEvent>>, Plain<Fields<ApiEventBody>>>,
] = [true, true, true];

test('are of the shape that the service has today', () => {
  assert.equal(held, [true, true, true]);
  for (const kind of EVENT_KINDS) assert.is(currentVersion(kind), 1, 'the client has to say which version it sends');
});

const TAKEN: readonly { given: ClientEvent; subject: string; body: object }[] = [
  {
    given: { kind: 'user', event: { event_type: 'user_login', user_id: 7, metadata: { browser: 'chrome' } } },
    subject: 'metrics.events.user.user_login',
    body: { event_type: 'user_login', user_id: 7, metadata: { browser: 'chrome' } },
  },
  {
    given: { kind: 'system', event: { metric_name: 'cpu_usage', value: 12.5, tags: { host: 'a' } } },
    subject: 'metrics.events.system.billing',
    body: { service_name: 'billing', metric_name: 'cpu_usage', value: 12.5, tags: { host: 'a' } },
  },
  {
    given: { kind: 'api', event: { service_name: 'web', endpoint: '/users/:id', method: 'GET', status_code: 200 } },
    subject: 'metrics.events.api.web',
    body: { service_name: 'web', endpoint: '/users/:id', method: 'GET', status_code: 200 },
  },
];
for (const { given, subject, body } of TAKEN) {
  test(`the service takes what is sent of kind ${given.kind}, with the id and the time of the call`, () => {
    const encoding = encodeEvent(given, DEFAULTS);
    assert.ok(encoding.ok);
    const { id, payload } = encoding.encoded;
    assert.is(encoding.encoded.subject, subject);
    const sent = message(subject, payload, { headers: { 'Nats-Msg-Id': id }, storedAtMs: NOON_MS + 60_000 });
    const decoded = decodeMessage(sent, codec());
    assert.ok(decoded.ok, JSON.stringify(decoded));
    assert.equal([decoded.value.id, decoded.value.occurredAtMs], ['new-id', NOON_MS]);
    assert.equal(decoded.value.body, { ...body, occurred_at: '2026-11-24T12:00:00.000Z' });
  });
}

test('an id and a time that are given are kept', () => {
  const event = { event_type: 'x', id: 'mine', occurred_at: '2026-11-01T00:00:00Z' };
  const encoding = encodeEvent({ kind: 'user', event }, DEFAULTS);
  assert.ok(encoding.ok);
  assert.is(encoding.encoded.id, 'mine');
  const body: unknown = JSON.parse(Buffer.from(encoding.encoded.payload).toString());
  assert.equal(body, { event_type: 'x', occurred_at: '2026-11-01T00:00:00Z' });
});

const loop: Record<string, unknown> = {};
loop.self = loop;
const REFUSED: readonly { what: string; given: unknown; reason: string }[] = [
  { what: 'a name with a line break', given: { event_type: 'a\r\nPUB x 0' }, reason: 'invalid_event' },
  { what: 'a name with a dot', given: { event_type: 'a.b' }, reason: 'invalid_event' },
  { what: 'no name', given: {}, reason: 'invalid_event' },
  { what: 'no event', given: undefined, reason: 'invalid_event' },
  { what: 'an id with a space', given: { event_type: 'a', id: 'a b' }, reason: 'invalid_event' },
  { what: 'an id that is a number', given: { event_type: 'a', id: 42 }, reason: 'invalid_event' },
  { what: 'a cycle', given: { event_type: 'a', metadata: loop }, reason: 'invalid_event' },
  { what: 'a bigint', given: { event_type: 'a', metadata: { n: 1n } }, reason: 'invalid_event' },
  {
    what: 'what throws something without a text',
    given: {
      event_type: 'a',
      get metadata(): never {
        throw Object.create(null);
      },
    },
    reason: 'invalid_event',
  },
  { what: '70 KB', given: { event_type: 'a', metadata: { text: 'x'.repeat(70_000) } }, reason: 'event_too_large' },
];
for (const { what, given, reason } of REFUSED) {
  test(`${what} is refused as ${reason}, and nothing is thrown`, () => {
    // As a program without types might call it.
    const encoding: unknown = Reflect.apply(encodeEvent, undefined, [{ kind: 'user', event: given }, DEFAULTS]);
    assert.ok(typeof encoding === 'object' && encoding !== null && 'reason' in encoding);
    assert.is(encoding.reason, reason);
  });
}

test.run();
