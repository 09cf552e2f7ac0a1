import * as assert from 'uvu/assert';

/** What docs/metrics.md promises of percentiles. */
const PERCENTILE_ERROR = 0.02;
/** The last bits of a floating-point number. */
const FLOAT_ERROR = 1e-9;

/** How far a number may be away: percentiles are named p50 to p99, means, rates and ratios by these words. */
const BOUNDS: readonly (readonly [name: RegExp, relative: number, absolute: number])[] = [
  [/\/p\d\d_\w*bytes$/, PERCENTILE_ERROR, 0.5],
  [/\/p\d\d(_|$|\/\d+\/value$)/, PERCENTILE_ERROR, 0.0005],
  [/\/(avg_|error_rate|request_rate|logins_per_|cpu_usage|memory_usage|db_pool|sumUs$)/, FLOAT_ERROR, 0],
];

/** Asserts that an answer is what was recounted: exactly, or within the bound that the name of a number promises. */
export function withinBounds(found: unknown, wanted: unknown, what: string): void {
  assert.is(firstDifference(found, wanted, what), undefined);
}

function firstDifference(found: unknown, wanted: unknown, path: string): string | undefined {
  if (Object.is(found, wanted)) return undefined;
  const difference = `${path}: ${JSON.stringify(found)}, and not ${JSON.stringify(wanted)}`;
  if (typeof found === 'number' && typeof wanted === 'number') {
    return isClose(found, wanted, path) ? undefined : difference;
  }
  if (typeof found !== 'object' || typeof wanted !== 'object' || found === null || wanted === null) return difference;
  const [a, b] = [new Map(Object.entries(found)), new Map(Object.entries(wanted))];
  // A share of two percentiles has no bound of its own; what it is made of stands beside it.
  const keys = [...new Set([...a.keys(), ...b.keys()])].filter((key) => !/\/p\d\d_\w+\/change$/.test(`${path}/${key}`));
  for (const key of keys) {
    const inner = firstDifference(a.get(key), b.get(key), `${path}/${key}`);
    if (inner !== undefined) return inner;
  }
  return undefined;
}

function isClose(found: number, wanted: number, path: string): boolean {
  const bound = BOUNDS.find(([name]) => name.test(path));
  return bound !== undefined && Math.abs(found - wanted) <= Math.abs(wanted) * bound[1] + bound[2];
}
