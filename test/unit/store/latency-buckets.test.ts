import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import '../../support/seed.js';
import {
  bucketValueUs,
  LATENCY_BOUNDS_US,
  latencyBucket,
  percentileMs,
  RELATIVE_ERROR,
} from '../../../src/store/latency-buckets.js';

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
  assert.ok(LATENCY_BOUNDS_US.every((bound, index) => index === 0 || bound > (LATENCY_BOUNDS_US[index - 1] ?? bound)));
  assert.ok((LATENCY_BOUNDS_US.at(-1) ?? 0) >= 2_147_483_647_000);
  assert.ok(LATENCY_BOUNDS_US.length < 800, `${LATENCY_BOUNDS_US.length} buckets`);
});

test('a value lies within the bounds of its bucket', () => {
  fc.assert(
    fc.property(valueUs, (value) => {
      const bucket = latencyBucket(value);
      assert.ok(value <= (LATENCY_BOUNDS_US[bucket] ?? -1));
      assert.ok(bucket === 0 || value > (LATENCY_BOUNDS_US[bucket - 1] ?? value));
    }),
  );
});

test('the value that stands for a bucket is at most the promised share away from each of its values', () => {
  fc.assert(
    fc.property(valueUs, (value) => {
      assert.ok(Math.abs(bucketValueUs(latencyBucket(value)) - value) <= RELATIVE_ERROR * value + 1e-6);
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
        for (const value of values) counts.set(latencyBucket(value), (counts.get(latencyBucket(value)) ?? 0) + 1);
        const exactMs = percentileOf(values, q) / 1000;
        const foundMs = percentileMs(counts, q);
        assert.ok(foundMs !== null);
        // Half a microsecond is the rounding of the answer.
        assert.ok(Math.abs(foundMs - exactMs) <= 0.02 * exactMs + 0.0005, `${foundMs} for ${exactMs}`);
      },
    ),
    { numRuns: 500 },
  );
});

test('of nothing there is no percentile', () => {
  assert.is(percentileMs(new Map(), 0.5), null);
});

test.run();
