import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import '../../support/seed.js';
import { decideEnvelope } from '../../../src/commands/append-event.js';
import { concealAddresses } from '../../../src/events/addresses.js';
import { decodeMessage } from '../../../src/events/codec.js';
import { parseJson } from '../../../src/events/json.js';
import { readRequestEvent } from '../../../src/events/requests.js';
import { timeBounds } from '../../../src/events/validate.js';
import { codec, message, NOON_MS } from '../../support/messages.js';

const test = suite('both ways in');

const RUNS = 2_500;
const CODEC = codec({ subject: 'devices.>', userIdPointer: '/owner', idPointer: '/id' });
const conceal = concealAddresses({ kind: 'truncate' });

/** Values that are right now and then, and else wrong in many ways. */
const nearly = (right: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.oneof(
    { weight: 60, arbitrary: right },
    { weight: 1, arbitrary: fc.anything() },
    { weight: 1, arbitrary: fc.string() },
  );
const token = fc.constantFrom('user_login', 'billing', 'a-b', 'x'.repeat(100));
const wrongToken = fc.constantFrom('', '*', '>', 'a.b', 'a b', 'a\r\nPUB x 1', 'x'.repeat(101), '__proto__');
const name = nearly(fc.oneof({ weight: 40, arbitrary: token }, { weight: 1, arbitrary: wrongToken }));
const text = fc.oneof(
  { weight: 40, arbitrary: fc.constantFrom('203.0.113.7', '2001:db8::1', 'ok', '😀') },
  { weight: 1, arbitrary: fc.constantFrom('\u0000', '\ud800', 'x'.repeat(20_000)) },
);
const object = nearly(fc.dictionary(fc.string(), fc.oneof(text, fc.jsonValue()), { maxKeys: 5 }));
const number = nearly(
  fc.oneof(
    { weight: 40, arbitrary: fc.constantFrom(200, 404, 500) },
    { weight: 1, arbitrary: fc.constantFrom(0, -1, 1.5, 2 ** 31, 2 ** 53, 1e300) },
  ),
);
const time = nearly(
  fc.oneof(
    { weight: 20, arbitrary: fc.constant('2026-11-24T11:59:00Z') },
    {
      weight: 1,
      arbitrary: fc.constantFrom('2026-02-30T00:00:00Z', '+275760-09-13T00:00:00Z', '2026-11-24T12:06:00Z'),
    },
  ),
);
const body = fc.record(
  {
    kind: nearly(fc.constantFrom('user', 'system', 'api')),
    event_type: name,
    service_name: name,
    metric_name: name,
    value: number,
    endpoint: nearly(fc.constantFrom('/a', '/geo/203.0.113.7')),
    method: nearly(fc.constant('GET')),
    status_code: number,
    user_id: number,
    metadata: object,
    tags: object,
    id: nearly(fc.constantFrom('a', 'b', 'c')),
    occurred_at: time,
  },
  { requiredKeys: ['event_type', 'service_name', 'metric_name', 'endpoint', 'method', 'status_code', 'value'] },
);
const payload = fc.oneof(
  { weight: 8, arbitrary: body.map((value) => Buffer.from(JSON.stringify(value) ?? '')) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.json().map((value) => Buffer.from(value)) },
);

test('HTTP takes or refuses whatever comes, and the reader of the log takes what it took, with the same id', () => {
  const seen = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(payload, (bytes) => {
      const parsed = parseJson(bytes);
      const event = parsed.ok ? readRequestEvent(parsed.value, { mode: 'plain' }, timeBounds(NOON_MS, 90, 0)) : parsed;
      if (!event.ok) {
        seen.refused += 1;
        assert.ok(event.refusal.errors.length > 0);
        return;
      }
      seen.taken += 1;
      const envelope = decideEnvelope(event.value, NOON_MS, () => 'made', conceal);
      assert.match(envelope.subject, /^metrics\.events\.(user|system|api)\.[A-Za-z0-9_-]{1,100}$/);
      const { subject, id } = envelope;
      const read = decodeMessage(message(subject, envelope.payload, { headers: { 'Nats-Msg-Id': id } }), CODEC);
      if (!read.ok) throw new Error(JSON.stringify(read.refusal));
      assert.is(read.value.id, id);
    }),
    { numRuns: RUNS },
  );
  console.log(`over HTTP: ${seen.taken} taken, ${seen.refused} refused`);
  assert.is(seen.taken + seen.refused, RUNS);
  assert.ok(seen.taken > RUNS / 100 && seen.refused > RUNS / 100);
});

test('the reader of the log makes an event or a named refusal of whatever stands there', () => {
  const seen = { taken: 0, refused: 0 };
  const subject = fc.oneof(
    fc.constantFrom('metrics.events.user.user_login', 'metrics.events.system.billing', 'metrics.events.api.billing'),
    fc.constantFrom('devices.registered', 'metrics.events.user', 'metrics.events.user.a.b', 'elsewhere'),
  );
  const header = nearly(fc.constantFrom('1.0', '1', 'application/cloudevents+json', 'metrics.user.a.v1', 'a b', ''));
  const names = [
    'Nats-Msg-Id',
    'ce-id',
    'ce-specversion',
    'ce-type',
    'ce-source',
    'content-type',
    'Metrics-Schema-Version',
  ];
  const headers = fc.dictionary(fc.constantFrom(...names), header.map(String), { maxKeys: 3 });
  fc.assert(
    fc.property(subject, payload, headers, (under, bytes, described) => {
      const read = decodeMessage(message(under, bytes, { headers: described }), CODEC);
      const again = decodeMessage(message(under, bytes, { headers: described }), CODEC);
      assert.is(JSON.stringify(read), JSON.stringify(again), 'the same at every replay');
      seen[read.ok ? 'taken' : 'refused'] += 1;
      if (!read.ok) assert.match(read.refusal.reason, /^[a-z0-9_]+$/);
    }),
    { numRuns: RUNS },
  );
  console.log(`over NATS: ${seen.taken} taken, ${seen.refused} refused`);
  assert.is(seen.taken + seen.refused, RUNS);
  assert.ok(seen.taken > RUNS / 100 && seen.refused > RUNS / 100);
});

test.run();
