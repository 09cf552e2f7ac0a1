import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import '../../support/seed.js';
import { BUCKET_BOUNDS, bucketOf, bucketValue, percentilesMs, RELATIVE_ERROR } from '../../../src/store/log-buckets.js';

const test = suite('latency buckets');

const valueUs = fc.oneof(
  fc.integer({ min: 0, max: 2_000 }),
  fc.integer({ min: 0, max: 10_000_000 }),
  fc.integer({ min: 0, max: 2_147_483_647_000 }),
);

function percentileOf(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1] ?? 0;
}

test('bounds grow without a gap', () => {
  assert.ok(BUCKET_BOUNDS.every((bound, index) => index === 0 || bound > (BUCKET_BOUNDS[index - 1] ?? bound)));
  assert.ok((BUCKET_BOUNDS.at(-1) ?? 0) >= 2_147_483_647_000);
  assert.ok(BUCKET_BOUNDS.length < 800, `${BUCKET_BOUNDS.length} buckets`);
});

test('a value lies within the bounds of its bucket', () => {
  fc.assert(
    fc.property(valueUs, (value) => {
      const bucket = bucketOf(value);
      assert.ok(value <= (BUCKET_BOUNDS[bucket] ?? -1));
      assert.ok(bucket === 0 || value > (BUCKET_BOUNDS[bucket - 1] ?? value));
    }),
  );
});

test('the value that stands for a bucket is at most the promised share away from each of its values', () => {
  fc.assert(
    fc.property(valueUs, (value) => {
      assert.ok(Math.abs(bucketValue(bucketOf(value)) - value) <= RELATIVE_ERROR * value + 1e-6);
    }),
    { numRuns: 1_000 },
  );
});

test('a percentile from buckets is at most 2 % away from the plain one', () => {
  fc.assert(
    fc.property(
      fc.array(valueUs, { minLength: 1, maxLength: 200 }),
      fc.constantFrom(0.5, 0.95, 0.99, 1, 0.001),
      (values, q) => {
        const counts = new Map<number, number>();
        for (const value of values) counts.set(bucketOf(value), (counts.get(bucketOf(value)) ?? 0) + 1);
        const exactMs = percentileOf(values, q) / 1000;
        const foundMs = percentilesMs(counts, [q])[0] ?? null;
        assert.ok(foundMs !== null);
        // Half a microsecond is the rounding of the answer.
        assert.ok(Math.abs(foundMs - exactMs) <= 0.02 * exactMs + 0.0005, `${foundMs} for ${exactMs}`);
      },
    ),
    { numRuns: 500 },
  );
});

test('of nothing there is no percentile', () => {
  assert.equal(percentilesMs(new Map(), [0.5, 0.99]), [null, null]);
});

test('several percentiles of the same are what each is alone', () => {
  fc.assert(
    fc.property(fc.array(valueUs, { minLength: 1, maxLength: 50 }), (values) => {
      const counts = new Map<number, number>();
      for (const value of values) counts.set(bucketOf(value), (counts.get(bucketOf(value)) ?? 0) + 1);
      const qs = [0.001, 0.5, 0.95, 0.99, 1];
      assert.equal(
        percentilesMs(counts, qs),
        qs.map((q) => percentilesMs(counts, [q])[0]),
      );
    }),
  );
});

test.run();
