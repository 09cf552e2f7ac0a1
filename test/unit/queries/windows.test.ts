import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { coveringBuckets } from '../../../src/queries/redis-buckets.js';
import { healthBounds } from '../../../src/queries/services-health.js';
import { calendarStarts, intervalBounds, SUMMARY_WINDOWS, windowBounds } from '../../../src/queries/windows.js';

const test = suite('windows');

const iso = (second: number): string => new Date(second * 1000).toISOString().replace('.000Z', 'Z');

for (const [now, window, from] of [
  ['2026-11-24T12:34:56.789Z', '1h', '2026-11-24T11:35:00Z'],
  ['2026-11-24T12:34:56.789Z', '24h', '2026-11-23T12:35:00Z'],
  ['2026-11-24T12:34:56.789Z', '7d', '2026-11-17T13:00:00Z'],
  ['2026-11-24T12:34:56.789Z', '30d', '2026-10-25T13:00:00Z'],
  // At the very start of a minute, hour or day that one has begun.
  ['2026-11-24T00:00:00.000Z', '1h', '2026-11-23T23:01:00Z'],
  ['2026-11-24T00:00:00.000Z', '7d', '2026-11-17T01:00:00Z'],
  ['2026-11-23T23:59:59.999Z', '24h', '2026-11-23T00:00:00Z'],
  ['2026-11-23T23:59:59.999Z', '30d', '2026-10-25T00:00:00Z'],
  // Over a leap day, and over Europe's change to summer time, which UTC does not know.
  ['2028-03-01T10:00:30.000Z', '24h', '2028-02-29T10:01:00Z'],
  ['2028-03-01T10:00:30.000Z', '7d', '2028-02-23T11:00:00Z'],
  ['2026-03-29T02:30:00.000Z', '24h', '2026-03-28T02:31:00Z'],
] as const) {
  test(`at ${now} the window of ${window} begins at ${from}`, () => {
    assert.is(iso(windowBounds(window, Date.parse(now)).fromS), from);
  });
}

for (const [now, today, week, month] of [
  ['2026-11-24T23:59:59.999Z', '2026-11-24', '2026-11-18', '2026-10-26'],
  ['2026-11-25T00:00:00.000Z', '2026-11-25', '2026-11-19', '2026-10-27'],
  ['2028-02-29T12:00:00.000Z', '2028-02-29', '2028-02-23', '2028-01-31'],
  ['2028-03-01T00:00:00.000Z', '2028-03-01', '2028-02-24', '2028-02-01'],
  ['2026-03-01T00:00:00.000Z', '2026-03-01', '2026-02-23', '2026-01-31'],
] as const) {
  test(`at ${now} the calendar days begin with ${today}, ${week} and ${month}`, () => {
    const { dailyS, weeklyS, monthlyS } = calendarStarts(Date.parse(now));
    assert.equal(
      [dailyS, weeklyS, monthlyS].map(iso),
      [today, week, month].map((day) => `${day}T00:00:00Z`),
    );
  });
}

for (const [seconds, from] of [
  [300, '2026-11-24T12:29:00Z'],
  [60, '2026-11-24T12:33:00Z'],
  [10, '2026-11-24T12:33:00Z'],
  [61, '2026-11-24T12:32:00Z'],
] as const) {
  test(`an interval of ${seconds} s is judged by whole minutes from ${from} on`, () => {
    assert.is(iso(intervalBounds(seconds, Date.parse('2026-11-24T12:34:56Z')).fromS), from);
  });
}

test('measurements count for three intervals', () => {
  const limits = { errorRate: 1, responseTimeMs: 1, intervalSeconds: 300 };
  const { fromS, gaugesFromS } = healthBounds(limits, Date.parse('2026-11-24T12:34:56Z'));
  assert.is(fromS - gaugesFromS, 600);
});

/** [start, end) of a bucket, in seconds. */
function span(key: string): [number, number] {
  const lengths = new Map([
    ['m', 60],
    ['h', 3_600],
    ['d', 86_400],
  ]);
  const start = Number(key.slice(2));
  return [start, start + (lengths.get(key[0] ?? '') ?? Number.NaN)];
}

test('the buckets of a window lie side by side from its start to ten minutes ahead, at every minute of two days', () => {
  const firstMs = Date.parse('2028-02-28T23:00:00Z');
  for (let minute = 0; minute < 2 * 1_440; minute += 1) {
    const nowMs = firstMs + minute * 60_000 + 59_999;
    for (const window of SUMMARY_WINDOWS) {
      const { fromS } = windowBounds(window, nowMs);
      let reachedS = fromS;
      for (const { key, fromS: bucketS, seconds } of coveringBuckets(fromS, nowMs)) {
        const [startS, endS] = span(key);
        assert.equal([bucketS, seconds], [startS, endS - startS]);
        assert.is(startS, reachedS);
        assert.is(startS % (endS - startS), 0);
        reachedS = endS;
      }
      assert.ok(reachedS * 1000 > nowMs + 600_000);
    }
  }
});

test('a window of 30 days takes at most 23 hours and 31 days', () => {
  const nowMs = Date.parse('2026-11-24T12:34:56Z');
  const keys = coveringBuckets(windowBounds('30d', nowMs).fromS, nowMs).map(({ key }) => key);
  assert.is(keys.filter((key) => key.startsWith('m:')).length, 0);
  assert.is(keys.filter((key) => key.startsWith('h:')).length, 11);
  assert.is(keys.filter((key) => key.startsWith('d:')).length, 30);
});

test.run();
