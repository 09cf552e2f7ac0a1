import { createHmac } from 'node:crypto';
import { isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { EventBody } from './kinds.js';

/** What becomes of IP addresses, which point to persons; from `METRICS_IP_ADDRESSES`. */
export type AddressRule =
  /** IPv4 to its /24, IPv6 to its /48. */
  | { readonly kind: 'truncate' }
  /** A name for each address that only the holder of the key can find again. */
  | { readonly kind: 'hash'; readonly key: string }
  | { readonly kind: 'keep' };

/** Takes the addresses out of a body. Pure: the same body gives the same, and done twice is as done once. */
export type ConcealAddresses = (event: EventBody) => EventBody;

/** What a text with an address has; nearly none has, and that is to cost little. */
const MAY_HOLD_IPV4 = /\d\.\d{1,3}\.\d/;
const MAY_HOLD_IPV6 = /::|(?:[0-9a-f]{1,4}:){6}/i;
/** Not within a longer row of numbers, as in the name of an SNMP object, and not a version as v1.2.3.4. */
const IPV4 = /(?<!\d|\d\.|\b[vV])\d{1,3}(?:\.\d{1,3}){3}(?!\d|\.\d)/g;
/** Also with an IPv4 address at its end, and with a zone. What looks like one is looked at more closely. */
const IPV6 =
  /(?<![0-9A-Za-z])(?:[0-9a-f]{0,4}:){2,9}(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{0,4})(?:%[0-9A-Za-z_-]{1,32})?(?![0-9A-Za-z])/gi;
/** `2002:` and then an IPv4 address: /48 would keep the whole of it. */
const SIX_TO_FOUR = 0x2002;
/** Without a host's part, as in the version of a browser: they name nobody. */
const NETWORK = /^\d{1,3}\.0\.0\.0$/;

const HASH_DIGITS = 20;
const MAX_HASHES_REMEMBERED = 10_000;

/** What replaces one address: the four numbers of an IPv4 address, or an IPv6 address. */
type Replace = (address: readonly number[] | ipaddr.IPv6) => string;

/** Compiles a rule once. */
export function concealAddresses(rule: AddressRule): ConcealAddresses {
  if (rule.kind === 'keep') return (event) => event;
  const replace = rule.kind === 'truncate' ? truncated : hashed(rule.key);
  return (event) => concealEvent(event, replace);
}

/** Where a publisher may have put one: all other fields are numbers, or tokens that take no dot and no colon. */
function concealEvent(event: EventBody, replace: Replace): EventBody {
  switch (event.kind) {
    case 'user': {
      const { metadata } = event.body;
      const concealed = metadata === undefined ? undefined : concealObject(metadata, replace);
      return concealed === metadata ? event : { ...event, body: { ...event.body, metadata: concealed ?? {} } };
    }
    case 'system': {
      const { tags } = event.body;
      const concealed = tags === undefined ? undefined : concealObject(tags, replace);
      return concealed === tags ? event : { ...event, body: { ...event.body, tags: concealed ?? {} } };
    }
    case 'api': {
      const endpoint = concealText(event.body.endpoint, replace);
      return endpoint === event.body.endpoint ? event : { ...event, body: { ...event.body, endpoint } };
    }
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

/** The same object where nothing is replaced. Of keys that become the same one the last stays, as in JSON. */
function concealObject(value: JsonObject, replace: Replace): JsonObject {
  let entries: [string, unknown][] | undefined;
  for (const key in value) {
    const child = value[key];
    const [newKey, newChild] = [concealText(key, replace), concealValue(child, replace)];
    if (newKey !== key || newChild !== child) entries ??= entriesBefore(key, value);
    entries?.push([newKey, newChild]);
  }
  return entries === undefined ? value : Object.fromEntries(entries);
}

function entriesBefore(end: string, value: JsonObject): [string, unknown][] {
  const entries = Object.entries(value);
  return entries.slice(
    0,
    entries.findIndex(([key]) => key === end),
  );
}

function concealValue(value: unknown, replace: Replace): unknown {
  if (typeof value === 'string') return concealText(value, replace);
  if (Array.isArray(value)) {
    const items: unknown[] = value.map((item: unknown) => concealValue(item, replace));
    return items.some((item, index) => item !== value[index]) ? items : value;
  }
  return isJsonObject(value) ? concealObject(value, replace) : value;
}

function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null;
}

function concealText(text: string, replace: Replace): string {
  // Most texts have neither sign, which is seen sooner than that they match nothing.
  const mayHoldIpv6 = text.includes(':') && MAY_HOLD_IPV6.test(text);
  const withoutIpv6 = mayHoldIpv6 ? text.replace(IPV6, (found) => concealIpv6(found, replace)) : text;
  if (!withoutIpv6.includes('.') || !MAY_HOLD_IPV4.test(withoutIpv6)) return withoutIpv6;
  return withoutIpv6.replace(IPV4, (found) => {
    const octets = found.split('.').map(Number);
    if (NETWORK.test(found) || octets.some((octet) => octet > 255)) return found;
    return replace(octets);
  });
}

/** Of `address`, `address:`, `:address` and `address:port`, as logs write them, the address is replaced. */
function concealIpv6(found: string, replace: Replace): string {
  const candidates: readonly [before: string, address: string, after: string][] = [
    ['', found, ''],
    ['', found.replace(/:[^:]*$/, ''), /:[^:]*$/.exec(found)?.[0] ?? ''],
    [/^[^:]*:/.exec(found)?.[0] ?? '', found.replace(/^[^:]*:/, ''), ''],
  ];
  const fit = candidates.find(([, address]) => isIPv6(address));
  // A time of day, an address of hardware: not ours to judge.
  if (fit === undefined) return found;
  const [before, address, after] = fit;
  const parsed = ipaddr.IPv6.parse(address.replace(/%.*$/, ''));
  if (parsed.parts.every((part) => part === 0)) return found;
  return `${before}${replace(parsed)}${after}`;
}

function truncated(address: readonly number[] | ipaddr.IPv6): string {
  if (!(address instanceof ipaddr.IPv6)) return `${address[0]}.${address[1]}.${address[2]}.0`;
  if (address.isIPv4MappedAddress()) return `::ffff:${truncated(address.toIPv4Address().octets)}`;
  const [first = 0, second = 0, third = 0] = address.parts;
  const kept = [first, second, first === SIX_TO_FOUR ? third & 0xff00 : third];
  return new ipaddr.IPv6([...kept, 0, 0, 0, 0, 0]).toString();
}

/**
 * HMAC-SHA256 of the address in its shortest form. Without a key a hash would hide nothing: all four billion addresses are
 * tried in minutes. It looks like an id, so no route is labelled with it.
 */
function hashed(key: string): Replace {
  const known = new Map<string, string>();
  return (address) => {
    const text = shortest(address);
    const found = known.get(text);
    if (found !== undefined) return found;
    if (known.size >= MAX_HASHES_REMEMBERED) known.clear();
    const hash = `ip-${createHmac('sha256', key).update(text).digest('hex').slice(0, HASH_DIGITS)}`;
    known.set(text, hash);
    return hash;
  };
}

/** An IPv4 address within an IPv6 one as itself. */
function shortest(address: readonly number[] | ipaddr.IPv6): string {
  if (!(address instanceof ipaddr.IPv6)) return address.join('.');
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toString();
}

const HASHED = new RegExp(`ip-[0-9a-f]{${HASH_DIGITS}}`, 'g');

/** A text with one sign for every address, whatever rule was followed: two that are the same then differ in addresses alone. */
export function withoutAddresses(text: string): string {
  return concealText(text.replace(HASHED, '<ip>'), () => '<ip>');
}
