import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeMessage } from '../../../src/events/codec.js';
import { matchSources, resolvePointer } from '../../../src/events/sources.js';
import { codec, message, NOON_MS } from '../../support/messages.js';

const test = suite('foreign sources');

const APPOINTMENTS = {
  subject: 'appointments.created',
  eventType: 'appointment_created',
  idPointer: '/id',
  userIdPointer: '/patient/user_id',
  occurredAtPointer: '/created_at',
};

test('a foreign message becomes a user event with the whole message as its metadata', () => {
  const body = { id: 'a-1', patient: { user_id: 9 }, created_at: '2026-11-24T11:00:00Z', room: 4 };
  const outcome = decodeMessage(message('appointments.created', body), codec(APPOINTMENTS));
  assert.ok(outcome.ok);
  const { id, kind, occurredAtMs, body: event } = outcome.value;
  assert.equal({ id, kind, occurredAtMs }, { id: 'a-1', kind: 'user', occurredAtMs: NOON_MS - 3_600_000 });
  assert.equal(event, {
    event_type: 'appointment_created',
    user_id: 9,
    occurred_at: '2026-11-24T11:00:00Z',
    id: 'a-1',
    metadata: body,
  });
});

test('an id that no pointer names is that of a thing, not of the event', () => {
  const outcome = decodeMessage(message('devices.updated', { id: 'dev-1' }), codec({ subject: 'devices.>' }));
  assert.ok(outcome.ok);
  assert.is(outcome.value.id, 'METRICS:7');
  const named = decodeMessage(
    message('devices.updated', { id: 'dev 1' }, { headers: { 'Nats-Msg-Id': 'h' } }),
    codec(APPOINTMENTS, { subject: 'devices.>', idPointer: '/id' }),
  );
  assert.ok(named.ok);
  assert.is(named.value.id, 'h');
});

test('without an event type of its own a source is named by the tokens of the subject', () => {
  const outcome = decodeMessage(message('devices.eu.registered', {}), codec({ subject: 'devices.>' }));
  assert.ok(outcome.ok && outcome.value.kind === 'user');
  assert.is(outcome.value.body.event_type, 'devices_eu_registered');
  assert.is(outcome.value.occurredAtMs, NOON_MS);
});

test('a foreign CloudEvent lends its id and time, and its data stays as it is', () => {
  const envelope = {
    specversion: '1.0',
    id: 'ce-9',
    source: '/devices',
    type: 'com.example.device',
    time: '2026-11-24T10:00:00Z',
    data: { serial: 'x' },
  };
  const headers = { 'content-type': 'application/cloudevents+json' };
  const outcome = decodeMessage(message('devices.new', envelope, { headers }), codec({ subject: 'devices.*' }));
  assert.ok(outcome.ok && outcome.value.kind === 'user');
  assert.is(outcome.value.id, 'ce-9');
  assert.is(outcome.value.occurredAtMs, NOON_MS - 2 * 3_600_000);
  assert.equal(outcome.value.body.metadata, { serial: 'x' });
});

const REFUSED: readonly [what: string, subject: string, body: unknown, reason: string][] = [
  ['from a subject that is not configured', 'stranger.here', {}, 'unknown_subject'],
  ['that is no object', 'appointments.created', [1], 'not_an_object'],
  ['whose user id is text', 'appointments.created', { patient: { user_id: '9' } }, 'invalid_fields'],
  ['whose time is a number', 'appointments.created', { created_at: 5 }, 'invalid_fields'],
];
for (const [what, subject, body, reason] of REFUSED) {
  test(`a foreign message ${what} is refused as ${reason}`, () => {
    const outcome = decodeMessage(message(subject, body), codec(APPOINTMENTS));
    assert.is(outcome.ok ? 'accepted' : outcome.refusal.reason, reason);
  });
}

const PATTERNS: readonly [pattern: string, subject: string, matches: boolean][] = [
  ['a.*', 'a.b', true],
  ['a.*', 'a.b.c', false],
  ['a.*', 'a', false],
  ['a.>', 'a.b.c', true],
  ['a.>', 'a', false],
  ['a.*.c', 'a.b.c', true],
  ['a.*.c', 'a.b.d', false],
  ['a-b.c', 'aXb.c', false],
];
for (const [subject, given, matches] of PATTERNS) {
  test(`${subject} ${matches ? 'matches' : 'does not match'} ${given}`, () => {
    const source = {
      subject,
      eventType: undefined,
      idPointer: undefined,
      userIdPointer: undefined,
      occurredAtPointer: undefined,
    };
    assert.is(matchSources([source])(given) !== undefined, matches);
  });
}

test('a JSON pointer is resolved with its escapes, and never through a prototype', () => {
  const document = { 'a/b': { '~': [10, 20] } };
  assert.is(resolvePointer(document, '/a~1b/~0/1'), 20);
  assert.is(resolvePointer(document, '/a~1b/x/y'), undefined);
  assert.is(resolvePointer(document, '/constructor/name'), undefined);
});

test.run();
