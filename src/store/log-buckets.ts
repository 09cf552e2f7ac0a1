/**
 * Logarithmic buckets for whole numbers, response times in microseconds and sizes in bytes, after DDSketch (Masson, Rim
 * and Lee, 2019): with the ratio (1 + a) / (1 - a) between two bounds, the value that stands for a bucket is at most the
 * share `a` away from every value in it. The bounds are whole numbers, so that TypeScript and SQL sort a value into the
 * same bucket.
 */

/** Largest relative error of a percentile. The contract promises 0.02. */
export const RELATIVE_ERROR = 0.019;

const RATIO = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);
/** 2^31 ms in microseconds, the largest response time that an event may carry; sizes end below it, at 2^40 bytes. */
const MAX_VALUE = 2_147_483_648_000;

/** Upper bounds; bucket i holds (BOUNDS[i - 1], BOUNDS[i]], bucket 0 holds 0 alone. */
export const BUCKET_BOUNDS: readonly number[] = makeBounds();

function makeBounds(): number[] {
  const bounds = [0];
  let first = 1;
  while (first <= MAX_VALUE) {
    const bound = Math.max(first, Math.floor(first * RATIO));
    bounds.push(bound);
    first = bound + 1;
  }
  return bounds;
}

/** The bucket of a whole number. */
export function bucketOf(value: number): number {
  let low = 0;
  let high = BUCKET_BOUNDS.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((BUCKET_BOUNDS[middle] ?? 0) >= value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The value that stands for all of a bucket: at most RELATIVE_ERROR away from each. */
export function bucketValue(bucket: number): number {
  const last = BUCKET_BOUNDS[bucket] ?? MAX_VALUE;
  if (bucket === 0) return 0;
  const first = (BUCKET_BOUNDS[bucket - 1] ?? 0) + 1;
  return (2 * first * last) / (first + last);
}

/**
 * Percentile by nearest rank (the smallest value with at least the share `q` of all at or below it) from counts by
 * bucket.
 *
 * @param counts bucket → how many
 * @param q 0 < q <= 1
 * @returns a whole number in the unit of the values, or null where nothing was counted
 */
export function percentile(counts: ReadonlyMap<number, number>, q: number): number | null {
  return percentiles(counts, [q])[0] ?? null;
}

/** Several percentiles of the same counts, in ascending order; the buckets are sorted once. */
export function percentiles(counts: ReadonlyMap<number, number>, qs: readonly number[]): (number | null)[] {
  let total = 0;
  for (const count of counts.values()) total += count;
  if (total === 0) return qs.map(() => null);
  // Numbers alone, which are sorted several times as fast as pairs: every answer has dozens of percentiles.
  const buckets = Uint16Array.from(counts.keys()).sort();
  let [at, below] = [0, counts.get(buckets[0] ?? 0) ?? 0];
  return qs.map((q) => {
    const rank = Math.max(1, Math.ceil(q * total));
    while (below < rank && at < buckets.length - 1) {
      at += 1;
      below += counts.get(buckets[at] ?? 0) ?? 0;
    }
    return Math.round(bucketValue(buckets[at] ?? 0));
  });
}

/** The same in milliseconds, of buckets of microseconds. */
export function percentilesMs(counts: ReadonlyMap<number, number>, qs: readonly number[]): (number | null)[] {
  return percentiles(counts, qs).map((value) => (value === null ? null : value / 1000));
}
