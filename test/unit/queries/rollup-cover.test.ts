import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import '../../support/seed.js';
import { coverRange, type TouchedSlices } from '../../../src/queries/rollup-cover.js';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const NOON = Date.parse('2026-11-24T12:00:00Z');
const test = suite('the cover of a range');

/** Minutes after noon. */
const at = (minutes: number): number => NOON + minutes * MINUTE_MS;

test('whole hours that are rolled up are read as hours, the rest in smaller parts', () => {
  const hours: TouchedSlices = new Map([
    [at(0), true],
    [at(60), false],
    [at(120), true],
  ]);
  const minutes: TouchedSlices = new Map([
    [at(60), true],
    [at(61), false],
    [at(62), false],
    [at(119), true],
    [at(120), true],
  ]);
  const range = { fromMs: at(0), toMs: at(121) + 1 };
  assert.equal(coverRange(range, 3_600, hours, minutes, at(0)), {
    hours: [at(0)],
    minutes: [at(60), at(119), at(120)],
    // The hour was touched, but not the minute that the range ends in.
    stretches: [{ fromMs: at(61), toMs: at(63) }],
  });
});

test('intervals of minutes are covered by minutes, others are counted', () => {
  const hours: TouchedSlices = new Map([[at(0), true]]);
  const minutes: TouchedSlices = new Map([[at(5), true]]);
  const range = { fromMs: at(0), toMs: at(60) };
  assert.equal(coverRange(range, 300, hours, minutes, at(0)), { hours: [], minutes: [at(5)], stretches: [] });
  assert.equal(coverRange(range, 97, hours, minutes, at(0)), {
    hours: [],
    minutes: [],
    stretches: [range],
  });
  // Of older minutes nothing is known.
  assert.equal(coverRange(range, 300, hours, new Map(), at(60)), { hours: [], minutes: [], stretches: [range] });
});

test('every touched moment of a range is covered exactly once', () => {
  const touched = fc.uniqueArray(fc.record({ index: fc.integer({ min: 0, max: 7 * 60 }), done: fc.boolean() }), {
    selector: ({ index }) => index,
    maxLength: 60,
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 6 * HOUR_MS }),
      fc.integer({ min: 1, max: 3 * HOUR_MS }),
      fc.constantFrom(60, 300, 3_600, 7_200, 97),
      touched,
      fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }),
      (offsetMs, lengthMs, intervalSeconds, minuteMarks, hourDone) => {
        const range = { fromMs: NOON + offsetMs, toMs: NOON + offsetMs + lengthMs };
        const minutes = new Map(minuteMarks.map(({ index, done }) => [at(index), done]));
        const hours = new Map(
          [...new Set(minuteMarks.map(({ index }) => Math.floor(index / 60)))].map((hour) => [
            at(hour * 60),
            hourDone[hour] ?? false,
          ]),
        );
        const cover = coverRange(range, intervalSeconds, hours, minutes, NOON);
        const parts = [
          ...cover.hours.map((fromMs) => ({ fromMs, toMs: fromMs + HOUR_MS })),
          ...cover.minutes.map((fromMs) => ({ fromMs, toMs: fromMs + MINUTE_MS })),
          ...cover.stretches,
        ].sort((a, b) => a.fromMs - b.fromMs);
        for (const [index, part] of parts.entries()) {
          assert.ok(part.fromMs >= range.fromMs && part.toMs <= range.toMs, 'within the range');
          assert.ok(index === 0 || part.fromMs >= (parts[index - 1]?.toMs ?? 0), 'none twice');
        }
        for (const startMs of minutes.keys()) {
          for (const timeMs of [startMs, startMs + MINUTE_MS - 1]) {
            if (timeMs < range.fromMs || timeMs >= range.toMs) continue;
            assert.ok(
              parts.some(({ fromMs, toMs }) => timeMs >= fromMs && timeMs < toMs),
              'all that was touched',
            );
          }
        }
        if (intervalSeconds % 3_600 !== 0) assert.equal(cover.hours, []);
        for (const startMs of cover.hours) assert.is(hours.get(startMs), true);
        for (const startMs of cover.minutes) assert.is(minutes.get(startMs), true);
      },
    ),
  );
});

test.run();
