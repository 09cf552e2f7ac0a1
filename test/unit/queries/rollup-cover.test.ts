import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import '../../support/seed.js';
import { coverRange, type RollupCover, type TouchedSlices } from '../../../src/queries/rollup-cover.js';
import { ROLLUP_SECONDS } from '../../../src/store/rollups.js';
import { DAY_S, FIVE_MINUTES_S, HOUR_S, MINUTE_S } from '../../../src/store/summary-schema.js';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const NOON = Date.parse('2026-11-24T12:00:00Z');
const MIDNIGHT = Date.parse('2026-11-24T00:00:00Z');
const test = suite('the cover of a range');

/** Minutes after noon. */
const at = (minutes: number): number => NOON + minutes * MINUTE_MS;

/** Slices that begin so many minutes after noon, and whether they are rolled up. */
function touched(
  hours: Readonly<Record<number, boolean>>,
  minutes: Readonly<Record<number, boolean>>,
  { minutesFromMs = NOON, fives = {} as Readonly<Record<number, boolean>> } = {},
): TouchedSlices {
  const slices = (given: Readonly<Record<number, boolean>>) =>
    new Map(Object.entries(given).map(([offset, done]) => [at(Number(offset)), done]));
  const isDayDone = Object.values(hours).every((done) => done);
  return {
    slices: {
      [DAY_S]: new Map([[MIDNIGHT, isDayDone]]),
      [HOUR_S]: slices(hours),
      // Where any of its minutes was touched, it was.
      [FIVE_MINUTES_S]: slices({
        ...Object.fromEntries(Object.keys(minutes).map((offset) => [Math.floor(Number(offset) / 5) * 5, false])),
        ...fives,
      }),
      [MINUTE_S]: slices(minutes),
    },
    minutesFromMs,
  };
}

function cover(
  days: number[],
  hours: number[],
  minutes: number[],
  stretches: RollupCover['stretches'],
  fives: number[] = [],
): RollupCover {
  return { rollups: { [DAY_S]: days, [HOUR_S]: hours, [FIVE_MINUTES_S]: fives, [MINUTE_S]: minutes }, stretches };
}

test('whole hours that are rolled up are read as hours, the rest in smaller parts', () => {
  const slices = touched({ 0: true, 60: false, 120: true }, { 60: true, 61: false, 62: false, 119: true, 120: true });
  const range = { fromMs: at(0), toMs: at(121) + 1 };
  // The last hour was touched, but not the minute that the range ends in.
  const stretches = [{ fromMs: at(61), toMs: at(63) }];
  assert.equal(coverRange(range, 3_600, slices), cover([], [at(0)], [at(60), at(119), at(120)], stretches));
});

test('whole days that are rolled up are read as days, where intervals are no shorter', () => {
  const slices = touched({ 0: true, 60: true }, {});
  const range = { fromMs: MIDNIGHT, toMs: MIDNIGHT + 24 * HOUR_MS };
  assert.equal(coverRange(range, 86_400, slices), cover([MIDNIGHT], [], [], []));
  assert.equal(coverRange(range, 7_200, slices), cover([], [at(0), at(60)], [], []));
  assert.equal(coverRange({ ...range, fromMs: at(0) }, 86_400, slices), cover([], [at(0), at(60)], [], []));
});

test('intervals of minutes are covered by minutes, others are counted', () => {
  const slices = touched({ 0: true }, { 5: true });
  const range = { fromMs: at(0), toMs: at(60) };
  assert.equal(coverRange(range, 300, slices), cover([], [], [at(5)], []));
  assert.equal(coverRange(range, 97, slices), cover([], [], [], [range]));
  // Of older minutes nothing is known.
  assert.equal(coverRange(range, 300, touched({ 0: true }, {}, { minutesFromMs: at(60) })), cover([], [], [], [range]));
});

test('five minutes are read as such, where intervals are no shorter and all of them lie in the range', () => {
  const minutes = { 5: true, 6: true, 9: true, 12: true };
  const slices = touched({ 0: false }, minutes, { fives: { 5: true, 10: false } });
  const range = { fromMs: at(0), toMs: at(60) };
  assert.equal(coverRange(range, 900, slices), cover([], [], [at(12)], [], [at(5)]));
  assert.equal(coverRange(range, 60, slices), cover([], [], [at(5), at(6), at(9), at(12)], []));
  assert.equal(coverRange({ ...range, fromMs: at(6) }, 300, slices), cover([], [], [at(6), at(9), at(12)], []));
  // What it was added up from may be known in part only.
  const older = { ...slices, minutesFromMs: at(6) };
  const stretches = [{ fromMs: at(0), toMs: at(6) }];
  assert.equal(coverRange(range, 300, older), cover([], [], [at(6), at(9), at(12)], stretches));
});

test('every touched moment of a range is covered exactly once', () => {
  const marks = fc.uniqueArray(fc.record({ index: fc.integer({ min: 0, max: 7 * 60 }), done: fc.boolean() }), {
    selector: ({ index }) => index,
    maxLength: 60,
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 6 * HOUR_MS }),
      fc.integer({ min: 1, max: 3 * HOUR_MS }),
      fc.constantFrom(60, 300, 3_600, 7_200, 86_400, 97),
      marks,
      fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }),
      fc.array(fc.boolean(), { minLength: 100, maxLength: 100 }),
      (offsetMs, lengthMs, intervalSeconds, minuteMarks, hourDone, fiveDone) => {
        const range = { fromMs: NOON + offsetMs, toMs: NOON + offsetMs + lengthMs };
        const minutes = Object.fromEntries(minuteMarks.map(({ index, done }) => [index, done]));
        const touchedHours = [...new Set(minuteMarks.map(({ index }) => Math.floor(index / 60)))];
        const hours = Object.fromEntries(touchedHours.map((hour) => [hour * 60, hourDone[hour] ?? false]));
        const touchedFives = [...new Set(minuteMarks.map(({ index }) => Math.floor(index / 5)))];
        const fives = Object.fromEntries(touchedFives.map((five) => [five * 5, fiveDone[five] ?? false]));
        const slices = touched(hours, minutes, { fives });
        const { rollups, stretches } = coverRange(range, intervalSeconds, slices);
        const parts = [
          ...ROLLUP_SECONDS.flatMap((grain) =>
            rollups[grain].map((fromMs) => ({ fromMs, toMs: fromMs + grain * 1000 })),
          ),
          ...stretches,
        ].sort((a, b) => a.fromMs - b.fromMs);
        for (const [index, part] of parts.entries()) {
          assert.ok(part.fromMs >= range.fromMs && part.toMs <= range.toMs, 'within the range');
          assert.ok(index === 0 || part.fromMs >= (parts[index - 1]?.toMs ?? 0), 'none twice');
        }
        for (const startMs of Object.keys(minutes).map((offset) => at(Number(offset)))) {
          for (const timeMs of [startMs, startMs + MINUTE_MS - 1]) {
            if (timeMs < range.fromMs || timeMs >= range.toMs) continue;
            assert.ok(
              parts.some(({ fromMs, toMs }) => timeMs >= fromMs && timeMs < toMs),
              'all that was touched',
            );
          }
        }
        for (const grain of ROLLUP_SECONDS) {
          if (intervalSeconds % grain !== 0) assert.equal(rollups[grain], []);
          for (const startMs of rollups[grain]) assert.is(slices.slices[grain].get(startMs), true);
        }
      },
    ),
  );
});

test.run();
