import type { LookupAddress } from 'node:dns';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  AddressRefused,
  guardedLookup,
  isAddressAllowed,
  isRefusedLiteral,
} from '../../../../src/alerts/notify/address-guard.js';

const test = suite('addresses of webhooks');

type Verdict = 'public' | 'private' | 'never';
const ADDRESSES: readonly [address: string, verdict: Verdict][] = [
  ['93.184.216.34', 'public'],
  ['2606:2800:220:1:248:1893:25c8:1946', 'public'],
  ['::ffff:93.184.216.34', 'public'],
  ['10.0.0.1', 'private'],
  ['172.16.0.1', 'private'],
  ['172.31.255.255', 'private'],
  ['192.168.1.1', 'private'],
  ['127.0.0.1', 'private'],
  ['127.255.255.254', 'private'],
  ['::1', 'private'],
  ['fd12:3456::1', 'private'],
  ['fc00::1', 'private'],
  ['100.64.0.1', 'private'],
  ['::ffff:127.0.0.1', 'private'],
  ['::ffff:7f00:1', 'private'],
  ['::ffff:10.1.2.3', 'private'],
  ['169.254.169.254', 'never'],
  ['169.254.1.1', 'never'],
  ['::ffff:169.254.169.254', 'never'],
  ['fe80::1', 'never'],
  ['fd00:ec2::254', 'never'],
  ['fd20:ce::254', 'never'],
  ['100.100.100.200', 'never'],
  ['168.63.129.16', 'never'],
  ['0.0.0.0', 'never'],
  ['::', 'never'],
  ['0.1.2.3', 'never'],
  ['224.0.0.1', 'never'],
  ['239.255.255.255', 'never'],
  ['ff02::1', 'never'],
  ['255.255.255.255', 'never'],
  ['240.0.0.1', 'never'],
  ['192.0.2.1', 'never'],
  ['198.51.100.1', 'never'],
  ['203.0.113.1', 'never'],
  ['198.18.0.1', 'never'],
  ['192.0.0.192', 'never'],
  ['64:ff9b::7f00:1', 'never'],
  ['64:ff9b::a9fe:a9fe', 'never'],
  ['2002:7f00:1::1', 'never'],
  ['2001:0:7f00:1::1', 'never'],
  ['2001:db8::1', 'never'],
  ['fec0::1', 'never'],
  ['::127.0.0.1', 'private'],
  ['::7f00:1', 'never'],
  ['no address', 'never'],
];
for (const [address, verdict] of ADDRESSES) {
  test(`${address}: ${verdict}`, () => {
    assert.is(isAddressAllowed(address, false), verdict === 'public');
    assert.is(isAddressAllowed(address, true), verdict !== 'never');
  });
}

const LITERALS: readonly [url: string, isRefused: boolean][] = [
  ['http://127.0.0.1/', true],
  ['http://2130706433/', true],
  ['http://0x7f.1/', true],
  ['http://017700000001/', true],
  ['http://[::1]/', true],
  ['http://[::ffff:169.254.169.254]/', true],
  ['http://93.184.216.34/', false],
  // Names are judged by what they resolve to.
  ['http://localhost/', false],
];
for (const [url, isRefused] of LITERALS) {
  test(`the host of ${url} is ${isRefused ? 'refused' : 'left to the look-up'}`, () => {
    assert.is(isRefusedLiteral(new URL(url), false), isRefused);
  });
}

function lookUp(addresses: readonly LookupAddress[], all: boolean): { error: Error | null; found: unknown } {
  const outcome: { error: Error | null; found: unknown } = { error: null, found: undefined };
  const lookup = guardedLookup(false, (_hostname, _options, callback) => callback(null, [...addresses]));
  lookup('receiver.example', { all }, (error, found) => Object.assign(outcome, { error, found }));
  return outcome;
}

test('a name is refused when any of its addresses is one that may not be called', () => {
  const open = { address: '93.184.216.34', family: 4 };
  assert.equal(lookUp([open], true), { error: null, found: [open] });
  assert.equal(lookUp([open], false), { error: null, found: open.address });
  assert.instance(lookUp([open, { address: '10.0.0.1', family: 4 }], true).error, AddressRefused);
  assert.instance(lookUp([{ address: '169.254.169.254', family: 4 }], false).error, AddressRefused);
  assert.instance(lookUp([], true).error, AddressRefused);
});

test.run();
