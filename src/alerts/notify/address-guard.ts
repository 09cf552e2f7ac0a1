import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Ranges of ipaddr.js that ALERT_WEBHOOK_ALLOW_PRIVATE opens. Everything else that is not public stays closed. */
const PRIVATE_RANGES: readonly string[] = ['private', 'loopback', 'uniqueLocal', 'carrierGradeNat'];

/** Where clouds hand out credentials of the machine, outside of the link-local range, which is closed anyway. */
const METADATA_ADDRESSES: readonly string[] = ['100.100.100.200', '168.63.129.16', 'fd00:ec2::254', 'fd20:ce::254'];

const GLOBAL_IPV6 = ipaddr.parseCIDR('2000::/3');

/** Thrown through a socket's error: the address is one that may not be called. It does not name the address. */
export class AddressRefused extends Error {
  constructor() {
    super('The address is not a public one');
    this.name = 'AddressRefused';
  }
}

/**
 * Whether a notice may be sent to an IP address. Private, loopback, link-local, shared (CGNAT), multicast, reserved and
 * tunnelled ranges are refused; an IPv4 address inside of an IPv6 one is judged as itself.
 *
 * @param allowPrivate opens private networks and this machine; metadata services and link-local stay refused
 */
export function isAddressAllowed(address: string, allowPrivate: boolean): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (METADATA_ADDRESSES.some((metadata) => ipaddr.parse(metadata).toString() === parsed.toString())) return false;
  const range = parsed.range();
  // Of IPv6 only this part is given out; ipaddr.js calls all unicast that it has no other name for, as ::127.0.0.1.
  if (range === 'unicast') return parsed.kind() === 'ipv4' || parsed.match(GLOBAL_IPV6);
  return allowPrivate && PRIVATE_RANGES.includes(range);
}

/** As `dns.lookup` with `all: true`. */
export type ResolveAll = (
  hostname: string,
  options: LookupOptions & { readonly all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * A `lookup` for sockets that refuses names with an address that may not be called. The socket connects to what this
 * answers, so a name that answers otherwise the next time (DNS rebinding) gains nothing.
 */
export function guardedLookup(allowPrivate: boolean, resolve: ResolveAll = systemLookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error !== null) return callback(error, '', 0);
      if (first === undefined || !addresses.every(({ address }) => isAddressAllowed(address, allowPrivate))) {
        return callback(new AddressRefused(), '', 0);
      }
      if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

/** Whether the host of a URL is an address that may not be called; sockets look no address up. */
export function isRefusedLiteral(url: URL, allowPrivate: boolean): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return isIP(host) !== 0 && !isAddressAllowed(host, allowPrivate);
}
