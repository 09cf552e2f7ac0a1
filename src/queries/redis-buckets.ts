import { DAY_S, HOUR_S, MINUTE_S } from '../store/summary-schema.js';

/** Buckets are dated up to this far ahead: publishers' clocks differ. */
const AHEAD_S = 600;

/** A hash of counts: the end of its key, and the stretch of time that it counts. */
export interface Bucket {
  readonly key: string;
  readonly fromS: number;
  readonly seconds: number;
}

/**
 * The fewest buckets that hold all from `fromS` on: minutes up to the next hour, hours up to the next day, then whole
 * days, the running one included.
 */
export function coveringBuckets(fromS: number, nowMs: number): Bucket[] {
  const buckets: Bucket[] = [];
  const endS = nowMs / 1000 + AHEAD_S;
  let second = fromS;
  const put = (kind: string, seconds: number): void => {
    buckets.push({ key: `${kind}:${second}`, fromS: second, seconds });
    second += seconds;
  };
  while (second % HOUR_S !== 0 && second <= endS) put('m', MINUTE_S);
  while (second % DAY_S !== 0 && second <= endS) put('h', HOUR_S);
  while (second <= endS) put('d', DAY_S);
  return buckets;
}

/** The buckets of services' requests from `fromS` (a whole minute) on. */
export function serviceBuckets(fromS: number, nowMs: number): Bucket[] {
  const count = Math.max(0, Math.floor((nowMs / 1000 + AHEAD_S - fromS) / MINUTE_S) + 1);
  return Array.from({ length: count }, (_, index) => {
    const second = fromS + index * MINUTE_S;
    return { key: `s:${second}`, fromS: second, seconds: MINUTE_S };
  });
}
