import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import '../../support/seed.js';
import { type AddressRule, concealAddresses, withoutAddresses } from '../../../src/events/addresses.js';
import { type CodecOptions, codecOf, decodeMessage } from '../../../src/events/codec.js';
import { message } from '../../support/messages.js';

const test = suite('IP addresses in events');

const KEY = 'k9Tq2vX7bL4mZ8wR1cJ6pH3yN5sF0gDe';
const HASH: AddressRule = { kind: 'hash', key: KEY };

function conceal(metadata: Record<string, unknown>, rule: AddressRule = { kind: 'truncate' }): unknown {
  const event = concealAddresses(rule)({ kind: 'user', body: { event_type: 'user_login', metadata } });
  return event.kind === 'user' ? event.body.metadata : undefined;
}

const concealText = (text: string, rule?: AddressRule): unknown =>
  Reflect.get(conceal({ text }, rule) as object, 'text');

const TRUNCATED: readonly [given: string, truncated: string][] = [
  ['203.0.113.77', '203.0.113.0'],
  ['10.1.2.3', '10.1.2.0'],
  ['010.001.002.003', '10.1.2.0'],
  ['203.0.113.77:443', '203.0.113.0:443'],
  ['/203.0.113.77:443', '/203.0.113.0:443'],
  ['203.0.113.77, 198.51.100.9', '203.0.113.0, 198.51.100.0'],
  ['203.0.113.77/32', '203.0.113.0/32'],
  ['https://203.0.113.77/a?from=198.51.100.9', 'https://203.0.113.0/a?from=198.51.100.0'],
  ['ip%3D203.0.113.77', 'ip%3D203.0.113.0'],
  ['client:203.0.113.77.', 'client:203.0.113.0.'],
  ['203.0.113.77.nip.example', '203.0.113.0.nip.example'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1::'],
  ['2001:DB8:1::6', '2001:db8:1::'],
  ['[2001:db8:1::6]:443', '[2001:db8:1::]:443'],
  ['for=“2001:db8:1::6”', 'for=“2001:db8:1::”'],
  ['client:2001:db8:1::6', 'client:2001:db8:1::'],
  ['peer 2001:db8:1::6: refused', 'peer 2001:db8:1::: refused'],
  ['2001:db8:1:0:0:0:0:6:5123', '2001:db8:1:::5123'],
  ['fe80::1ff:fe23:4567:890a%eth0', 'fe80::'],
  ['::1', '::'],
  ['::ffff:203.0.113.77', '::ffff:203.0.113.0'],
  ['::ffff:cb00:714d', '::ffff:203.0.113.0'],
  ['64:ff9b::203.0.113.77', '64:ff9b::'],
  ['2002:cb00:714d:1::1', '2002:cb00:7100::'],
  ['2001:0:4136:e378:8000:63bf:3fff:fdd2', '2001:0:4136::'],
];
for (const [given, truncated] of TRUNCATED) {
  test(`${given} is truncated to ${truncated}`, () => {
    assert.is(concealText(given), truncated);
    assert.is(concealText(truncated), truncated, 'once is enough');
    assert.is(concealText(given, { kind: 'keep' }), given);
    if (given !== '::1') assert.match(String(concealText(given, HASH)), /ip-[0-9a-f]{20}/);
  });
}

const NO_ADDRESSES = [
  '',
  'export',
  '1.5',
  '1.2.3',
  'v1.2.3.4',
  '1.3.6.1.4.1.311',
  '256.1.1.1',
  '1234.1.1.1',
  'Chrome/120.0.0.0 Safari/537.36',
  '12:30:45',
  '2026-11-24T12:30:45.123Z',
  'aa:bb:cc:dd:ee:ff',
  'std::vector',
  'Module::Class',
  'a ratio of 1:2',
  'https://example.org/a:b:c',
  'urn:metrics-service:problem:x',
  '::',
];
for (const text of NO_ADDRESSES) {
  test(`${JSON.stringify(text)} stays as it is`, () => {
    assert.is(concealText(text), text);
    assert.is(concealText(text, HASH), text);
  });
}

test('they are found in keys, at any depth and in lists, and what has none stays the same object', () => {
  const given = { '203.0.113.77': [{ from: ['203.0.113.77', 4, null, { deep: '::ffff:203.0.113.77' }] }], n: 1 };
  const truncated = { '203.0.113.0': [{ from: ['203.0.113.0', 4, null, { deep: '::ffff:203.0.113.0' }] }], n: 1 };
  assert.equal(conceal(given), truncated);
  const harmless = { feature: 'export', list: [1, { a: null }], at: '2026-11-24T12:30:45Z' };
  assert.is(conceal(harmless), harmless);
});

test('a hash is the same for one address however it is written, another for another and under another key', () => {
  const hash = concealText('2001:db8:1:0:0:0:0:6', HASH);
  assert.is(concealText('2001:DB8:1::6', HASH), hash);
  assert.is(concealText('::ffff:203.0.113.77', HASH), concealText('203.0.113.77', HASH));
  assert.is.not(concealText('2001:db8:1::7', HASH), hash);
  assert.is.not(concealText('2001:db8:1::6', { kind: 'hash', key: `${KEY}2` }), hash);
});

test('whatever stands around it, nothing of the host is left, and doing it again changes nothing', () => {
  const around = fc.constantFrom('', ' ', '"', ',', ';', '=', '(', '[', '/', 'from ', 'Zürich ');
  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(
      around,
      address,
      around.filter((text) => !/^[\w:]/.test(text)),
      (before, ip, after) => {
        const once = concealText(`${before}${ip}${after}`);
        const [concealed, again] = [String(once), concealText(String(once))];
        assert.is(again, once);
        const host = ip.includes(':') ? /(?<=[1-9a-f][0-9a-f]{2,3}:)[1-9a-f][0-9a-f]{2,3}$/i.exec(ip) : null;
        if (host !== null) assert.not.ok(concealed.includes(`:${host[0]}`), concealed);
        if (!ip.includes(':') && !ip.endsWith('.0')) assert.not.ok(concealed.includes(ip), concealed);
      },
    ),
    { numRuns: 2_000 },
  );
});

test('the log is read with addresses taken out, of every kind, and of other services; a refusal is what it was', () => {
  const source = { subject: 'devices.>', eventType: 'device', idPointer: undefined, userIdPointer: undefined };
  const settings = { retentionDays: 90, sources: [{ ...source, occurredAtPointer: undefined }] };
  const truncating = codecOf({ ...settings, addresses: { kind: 'truncate' } });
  const read = (subject: string, body: unknown, codec: CodecOptions = truncating): unknown => {
    const decoded = decodeMessage(message(subject, body), codec);
    return decoded.ok ? decoded.value.body : decoded.refusal.reason;
  };
  const api = { endpoint: '/geo/203.0.113.77', method: 'GET', status_code: 200 };
  assert.equal(read('metrics.events.user.a', { metadata: { ip: '203.0.113.77' } }), {
    event_type: 'a',
    metadata: { ip: '203.0.113.0' },
  });
  assert.match(
    JSON.stringify(read('metrics.events.system.a', { metric_name: 'm', value: 1, tags: { ip: '::ffff:1.2.3.4' } })),
    '1.2.3.0',
  );
  assert.match(JSON.stringify(read('metrics.events.api.a', api)), '/geo/203.0.113.0');
  assert.match(JSON.stringify(read('devices.registered', { from: '203.0.113.77' })), '"from":"203.0.113.0"');
  assert.is(read('metrics.events.user.a', { user_id: 'x', metadata: { ip: '203.0.113.77' } }), 'invalid_fields');
  const keeping = codecOf({ ...settings, addresses: { kind: 'keep' } });
  assert.match(JSON.stringify(read('metrics.events.api.a', api, keeping)), '/geo/203.0.113.77');
});

test('rows that other rules have folded can be told from rows with other values', () => {
  const row = (ip: unknown, value = 1): string => `a\0b\0{"ip":"${ip}","n":${value}}`;
  const forms = ['203.0.113.77', '203.0.113.0', concealText('203.0.113.77', HASH)];
  for (const form of forms) assert.is(withoutAddresses(row(form)), withoutAddresses(row(forms[0])));
  assert.is.not(withoutAddresses(row(forms[0], 2)), withoutAddresses(row(forms[0])));
});

test.run();
