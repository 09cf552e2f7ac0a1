import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decideEnvelope } from '../../../src/commands/append-event.js';
import { concealAddresses } from '../../../src/events/addresses.js';
import { readRequestEvent } from '../../../src/events/requests.js';
import { timeBounds } from '../../../src/events/validate.js';
import { NOON_MS } from '../../support/messages.js';

const test = suite('envelope of an appended event');

const TIME = '2026-11-24T11:00:00+01:00';
const TABLE: readonly { given: string; fields: object; id: string; occurredAt: string | undefined }[] = [
  { given: 'neither id nor time', fields: {}, id: 'made', occurredAt: '2026-11-24T12:00:00.000Z' },
  { given: 'an id alone', fields: { id: 'mine' }, id: 'mine', occurredAt: undefined },
  { given: 'a time alone', fields: { occurred_at: TIME }, id: 'made', occurredAt: '2026-11-24T10:00:00.000Z' },
  { given: 'both', fields: { id: 'mine', occurred_at: TIME }, id: 'mine', occurredAt: '2026-11-24T10:00:00.000Z' },
];
for (const { given, fields, id, occurredAt } of TABLE) {
  test(`an event with ${given} is appended as the log will read it`, () => {
    const body = { event_type: 'user_login', user_id: 1, unknown: true, ...fields };
    const event = readRequestEvent(body, { mode: 'plain' }, timeBounds(NOON_MS, 90, 0));
    if (!event.ok) throw new Error(event.refusal.reason);
    const envelope = decideEnvelope(event.value, NOON_MS, () => 'made', concealAddresses({ kind: 'truncate' }));
    assert.equal([envelope.id, envelope.subject], [id, 'metrics.events.user.user_login']);
    const expected = {
      schema_version: 1,
      event_type: 'user_login',
      user_id: 1,
      ...(occurredAt === undefined ? {} : { occurred_at: occurredAt }),
    };
    assert.equal(JSON.parse(Buffer.from(envelope.payload).toString()), expected);
  });
}

test('an address has left the event before the log gets it', () => {
  const body = { event_type: 'user_login', metadata: { ip: '203.0.113.77', proxies: ['2001:db8:1:2::9'] } };
  const event = readRequestEvent(body, { mode: 'plain' }, timeBounds(NOON_MS, 90, 0));
  if (!event.ok) throw new Error(event.refusal.reason);
  const { payload } = decideEnvelope(event.value, NOON_MS, () => 'made', concealAddresses({ kind: 'truncate' }));
  const { metadata } = JSON.parse(Buffer.from(payload).toString()) as { metadata: unknown };
  assert.equal(metadata, { ip: '203.0.113.0', proxies: ['2001:db8:1::'] });
});

test.run();
