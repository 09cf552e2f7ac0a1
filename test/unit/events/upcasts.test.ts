import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CodecOptions, decodeMessage, encodeBody } from '../../../src/events/codec.js';
import { readRequestEvent } from '../../../src/events/requests.js';
import { currentVersion, type JsonObject, liftBody, UPCASTS, type Upcasts } from '../../../src/events/upcasts.js';
import { timeBounds } from '../../../src/events/validate.js';
import { codec, message, NOON_MS } from '../../support/messages.js';
import { LATER_UPCASTS } from '../../support/upcasts.js';

const test = suite('versions of events');

const LOGIN = 'metrics.events.user.user_login';
const CPU = 'metrics.events.system.billing';
const later: CodecOptions = { ...codec(), upcasts: LATER_UPCASTS };
const BOUNDS = timeBounds(NOON_MS, 90, 0);
const CURRENT = { event_type: 'user_login', user_id: 7, metadata: { browser: 'chrome' } };

/** What tables take of a message: its kind and fields; or why they do not. */
function decoded(subject: string, body: unknown, headers: Record<string, string> = {}, options = later): unknown {
  const outcome = decodeMessage(message(subject, body, { headers }), options);
  if (!outcome.ok) return outcome.refusal.reason;
  const { schema_version: _version, id: _id, ...fields } = outcome.value.body;
  return fields;
}

const SHAPES: readonly [what: string, body: unknown, headers?: Record<string, string>][] = [
  ['says nothing of its version', { uid: '7', props: { browser: 'chrome' } }],
  ['says null', { schema_version: null, uid: '7', props: { browser: 'chrome' } }],
  ['is of version 1', { schema_version: 1, uid: '7', props: { browser: 'chrome' } }],
  ['is of version 2', { schema_version: 2, user_id: 7, props: { browser: 'chrome' } }],
  ['is of version 3', { schema_version: 3, user_id: 7, metadata: { browser: 'chrome' } }],
  ['says it in a header', { user_id: 7, props: { browser: 'chrome' } }, { 'metrics-schema-version': '2' }],
  [
    'says it in the type of a CloudEvent',
    { user_id: 7, props: { browser: 'chrome' } },
    { 'ce-specversion': '1.0', 'ce-id': 'e', 'ce-source': 's', 'ce-type': 'metrics.user.user_login.v2' },
  ],
  [
    'says the same in body and header',
    { schema_version: 3, user_id: 7, metadata: { browser: 'chrome' } },
    { 'Metrics-Schema-Version': '3' },
  ],
];
for (const [what, body, headers] of SHAPES) {
  test(`an event that ${what} is lifted to the shape of today`, () => {
    assert.equal(decoded(LOGIN, body, headers), CURRENT);
  });
}

const REFUSED: readonly [what: string, body: unknown, reason: string, headers?: Record<string, string>][] = [
  ['a version that is not known yet', { schema_version: 4 }, 'unsupported_version'],
  ['the largest version', { schema_version: Number.MAX_SAFE_INTEGER }, 'unsupported_version'],
  ['a newer version in a header', {}, 'unsupported_version', { 'Metrics-Schema-Version': '4' }],
  ['version 0', { schema_version: 0 }, 'invalid_fields'],
  ['version 1.5', { schema_version: 1.5 }, 'invalid_fields'],
  ['a version that is text', { schema_version: '1' }, 'invalid_fields'],
  ['a version beyond 2^53', '{"schema_version":1e300}', 'invalid_fields'],
  ['a header that is no version', {}, 'invalid_fields', { 'Metrics-Schema-Version': 'latest' }],
  ['two versions', { schema_version: 2 }, 'invalid_fields', { 'Metrics-Schema-Version': '3' }],
];
for (const [what, body, reason, headers] of REFUSED) {
  test(`${what}: ${reason}`, () => {
    assert.is(decoded(LOGIN, body, headers), reason);
  });
}

test('each kind has versions of its own', () => {
  assert.equal(
    decoded(CPU, { measure: 'cpu_usage', value: 1 }),
    decoded(CPU, { schema_version: 2, metric_name: 'cpu_usage', value: 1 }),
  );
  assert.is(decoded(CPU, { schema_version: 3 }), 'unsupported_version');
});

test('a CloudEvent of a newer version, or of none, tells which it is', () => {
  const envelope = (type: string) => ({ specversion: '1.0', id: 'e', source: 's', type, data: { user_id: 1 } });
  const structured = { 'content-type': 'application/cloudevents+json' };
  const reasonOf = (type: string): unknown => decoded(LOGIN, envelope(type), structured, codec());
  assert.is(reasonOf('metrics.user.user_login.v2'), 'unsupported_version');
  assert.is(reasonOf('metrics.user.user_login.v0'), 'invalid_cloudevent');
  assert.is(reasonOf('metrics.user.user_login'), 'invalid_cloudevent');
});

test("a version in another service's message is its own", () => {
  const options = { ...codec({ subject: 'devices.>' }), upcasts: LATER_UPCASTS };
  const headers = { 'Metrics-Schema-Version': '9' };
  assert.equal(decoded('devices.new', { schema_version: 9 }, headers, options), {
    event_type: 'devices_new',
    metadata: { schema_version: 9 },
  });
});

test('a body that an upcast throws at is refused, with what it said', () => {
  const broken: Upcasts = {
    ...UPCASTS,
    user: [
      () => {
        throw new Error('no uid');
      },
    ],
  };
  const outcome = liftBody('user', {}, [], broken);
  assert.not.ok(outcome.ok);
  if (!outcome.ok) assert.match(outcome.refusal.errors[0]?.detail ?? '', 'no uid');
});

test('lifting leaves the body that it was given alone', () => {
  const body: JsonObject = Object.freeze({ uid: '7', props: Object.freeze({ a: 1 }) });
  assert.ok(liftBody('user', body, [], LATER_UPCASTS).ok);
  assert.equal(body, { uid: '7', props: { a: 1 } });
});

test('over HTTP an older shape is lifted, and what goes into the log says which version it is', () => {
  const outcome = readRequestEvent({ event_type: 'user_login', uid: '7' }, { mode: 'plain' }, BOUNDS, LATER_UPCASTS);
  assert.ok(outcome.ok);
  const text = Buffer.from(encodeBody(outcome.value, undefined, { upcasts: LATER_UPCASTS })).toString();
  assert.equal(JSON.parse(text), { schema_version: 3, event_type: 'user_login', user_id: 7 });
  assert.equal(decoded(LOGIN, text), { event_type: 'user_login', user_id: 7 });
  const newer = readRequestEvent({ event_type: 'user_login', schema_version: 2 }, { mode: 'plain' }, BOUNDS);
  assert.is(newer.ok ? 'accepted' : newer.refusal.reason, 'unsupported_version');
});

test('an event of today is read by the service of today, whatever its kind', () => {
  for (const kind of ['user', 'system', 'api'] as const) {
    const body = { schema_version: currentVersion(kind) };
    assert.equal(liftBody(kind, body, []), { ok: true, value: body });
  }
});

test.run();
