import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeMessage, encodeBody } from '../../../src/events/codec.js';
import type { EventBody, LogEvent } from '../../../src/events/kinds.js';
import { parseSubject, subjectOf } from '../../../src/events/subjects.js';
import { codec, message, NOON_MS } from '../../support/messages.js';

const test = suite('codec');

const LOGIN = 'metrics.events.user.user_login';
const CPU = 'metrics.events.system.billing';
const REQUEST = 'metrics.events.api.web';

function decoded(...args: Parameters<typeof message>): LogEvent {
  const outcome = decodeMessage(message(...args), codec());
  if (!outcome.ok) throw new Error(`refused: ${JSON.stringify(outcome.refusal)}`);
  return outcome.value;
}

const KINDS: readonly { subject: string; body: Record<string, unknown>; kind: string; decoded: object }[] = [
  {
    subject: LOGIN,
    body: { user_id: 1, metadata: { browser: 'chrome' } },
    kind: 'user',
    decoded: { event_type: 'user_login', user_id: 1, metadata: { browser: 'chrome' } },
  },
  {
    subject: CPU,
    body: { metric_name: 'cpu_usage', value: 12.5, tags: { host: 'a' } },
    kind: 'system',
    decoded: { service_name: 'billing', metric_name: 'cpu_usage', value: 12.5, tags: { host: 'a' } },
  },
  {
    subject: REQUEST,
    body: { endpoint: '/x', method: 'get', status_code: 200, response_time_ms: 1.5, response_bytes: 9 },
    kind: 'api',
    decoded: {
      service_name: 'web',
      endpoint: '/x',
      method: 'get',
      status_code: 200,
      response_time_ms: 1.5,
      response_bytes: 9,
    },
  },
];

for (const row of KINDS) {
  test(`a ${row.kind} event is read and takes the name that its body left out from the subject`, () => {
    const event = decoded(row.subject, row.body);
    assert.is(event.kind, row.kind);
    assert.equal({ ...event.body }, row.decoded);
  });

  test(`a ${row.kind} event that HTTP encodes is decoded to the same event`, () => {
    const first = decoded(row.subject, row.body);
    const body: EventBody = first;
    assert.is(subjectOf(body), row.subject);
    const again = decoded(row.subject, encodeBody(body, '2026-11-24T11:00:00.000Z'));
    assert.equal(
      { ...again.body },
      {
        schema_version: 1,
        ...row.decoded,
        occurred_at: '2026-11-24T11:00:00.000Z',
      },
    );
  });
}

const SUBJECTS: readonly [subject: string, parts: object | undefined][] = [
  ['metrics.events.user.user_login', { kind: 'user', name: 'user_login' }],
  ['metrics.events.system.a-b', { kind: 'system', name: 'a-b' }],
  ['metrics.events.other.a', undefined],
  ['metrics.events.user', undefined],
  ['metrics.events.user.a.b', undefined],
  ['metrics.alert', undefined],
  ['other.events.user.a', undefined],
];
for (const [subject, parts] of SUBJECTS) {
  test(`the subject ${subject} ${parts === undefined ? 'says nothing' : 'is read'}`, () => {
    assert.equal(parseSubject(subject), parts);
  });
}

test('an id of the body that is not used need not be a valid one', () => {
  for (const id of ['has space', 7, '']) {
    assert.is(decoded(LOGIN, { id }, { headers: { 'Nats-Msg-Id': 'header' } }).id, 'header');
  }
});

test('the id is the header Nats-Msg-Id, then ce-id, then the body, then the sequence', () => {
  const body = { id: 'body' };
  const ceHeaders = {
    'ce-specversion': '1.0',
    'ce-id': 'ce',
    'ce-source': 's',
    'ce-type': 'metrics.user.user_login.v1',
  };
  assert.is(decoded(LOGIN, body, { headers: { ...ceHeaders, 'Nats-Msg-Id': 'header' } }).id, 'header');
  assert.is(decoded(LOGIN, body, { headers: ceHeaders }).id, 'ce');
  assert.is(decoded(LOGIN, body, { headers: { 'ce-id': 'ce' } }).id, 'ce');
  assert.is(decoded(LOGIN, body).id, 'body');
  assert.is(decoded(LOGIN, {}, { sequence: 42 }).id, 'METRICS:42');
});

test('the time is occurred_at, else the time at which JetStream stored the message', () => {
  assert.is(decoded(LOGIN, { occurred_at: '2026-11-24T11:59:00Z' }).occurredAtMs, NOON_MS - 60_000);
  assert.is(decoded(LOGIN, {}).occurredAtMs, NOON_MS);
});

test("an event whose id is the publisher's and whose time is the log's is marked, since a resend may be later", () => {
  assert.is(decoded(LOGIN, { id: 'a' }).timeFromLog, true);
  assert.is(decoded(LOGIN, { id: 'a', occurred_at: '2026-11-24T11:59:00Z' }).timeFromLog, false);
  assert.is(decoded(LOGIN, {}).timeFromLog, false);
});

test('null counts as left out, and unknown fields are dropped from what is encoded', () => {
  const event = decoded(LOGIN, { event_type: null, user_id: null, id: null, occurred_at: null, later_field: 1 });
  assert.is(event.id, 'METRICS:7');
  assert.equal(JSON.parse(Buffer.from(encodeBody(event, undefined)).toString()), {
    schema_version: 1,
    event_type: 'user_login',
  });
});

const STRUCTURED = { 'content-type': 'Application/CloudEvents+JSON; charset=utf-8' };
const ENVELOPE = {
  specversion: '1.0',
  id: 'e1',
  source: '/auth',
  type: 'metrics.user.user_login.v1',
  time: '2026-11-24T11:00:00Z',
  data: { user_id: 3 },
};

test('a CloudEvent in structured mode is read', () => {
  const event = decoded(LOGIN, ENVELOPE, { headers: STRUCTURED });
  assert.is(event.id, 'e1');
  assert.is(event.occurredAtMs, NOON_MS - 3_600_000);
  assert.equal(
    { ...event.body },
    { user_id: 3, id: 'e1', occurred_at: '2026-11-24T11:00:00Z', event_type: 'user_login' },
  );
});

test('a CloudEvent in binary mode is read, headers in any case', () => {
  const headers = {
    'Ce-Specversion': '1.0',
    'CE-ID': 'e2',
    'ce-source': '/billing',
    'ce-type': 'metrics.system.v1',
    'ce-time': '2026-11-24T11:30:00+00:30',
  };
  const event = decoded(CPU, { metric_name: 'cpu_usage', value: 1 }, { headers });
  assert.is(event.kind, 'system');
  assert.is(event.id, 'e2');
  assert.is(event.occurredAtMs, NOON_MS - 3_600_000);
});

test('a CloudEvent of kind api is read', () => {
  const data = { endpoint: '/', method: 'GET', status_code: 200 };
  const event = decoded(REQUEST, { ...ENVELOPE, type: 'metrics.api.v1', data }, { headers: STRUCTURED });
  assert.is(event.kind, 'api');
});

const BAD_ENVELOPES: readonly [what: string, envelope: unknown, reason: string][] = [
  ['no object', [1], 'invalid_cloudevent'],
  ['another version', { ...ENVELOPE, specversion: '0.3' }, 'invalid_cloudevent'],
  ['no id', { ...ENVELOPE, id: '' }, 'invalid_cloudevent'],
  ['no source', { ...ENVELOPE, source: undefined }, 'invalid_cloudevent'],
  ['no type', { ...ENVELOPE, type: 1 }, 'invalid_cloudevent'],
  ['an unknown type', { ...ENVELOPE, type: 'com.example.thing' }, 'invalid_cloudevent'],
  ['base64 data', { ...ENVELOPE, data: undefined, data_base64: 'e30=' }, 'invalid_cloudevent'],
  ['data that is no object', { ...ENVELOPE, data: 'text' }, 'invalid_cloudevent'],
  ['a time that is no text', { ...ENVELOPE, time: 5 }, 'time_invalid'],
  ['an id with a space', { ...ENVELOPE, id: 'a b' }, 'invalid_id'],
  ['another event type than the subject', { ...ENVELOPE, type: 'metrics.user.user_logout.v1' }, 'subject_mismatch'],
  ['another event type than its data', { ...ENVELOPE, data: { event_type: 'user_logout' } }, 'subject_mismatch'],
  ['another kind than the subject', { ...ENVELOPE, type: 'metrics.api.v1' }, 'subject_mismatch'],
];
for (const [what, envelope, reason] of BAD_ENVELOPES) {
  test(`a CloudEvent with ${what} is refused as ${reason}`, () => {
    const outcome = decodeMessage(message(LOGIN, envelope, { headers: STRUCTURED }), codec());
    assert.is(outcome.ok ? 'accepted' : outcome.refusal.reason, reason);
  });
}

test('the same message gives the same event at every replay', () => {
  const once = message(LOGIN, { user_id: 1 });
  assert.equal(decodeMessage(once, codec()), decodeMessage(once, codec()));
});

test.run();
