import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import '../../support/seed.js';
import { coverRange, type RollupCover, type TouchedSlices } from '../../../src/queries/rollup-cover.js';
import { DAY_S, HOUR_S, MINUTE_S } from '../../../src/store/summary-schema.js';

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
  minutesFromMs = NOON,
): TouchedSlices {
  const slices = (given: Readonly<Record<number, boolean>>) =>
    new Map(Object.entries(given).map(([offset, done]) => [at(Number(offset)), done]));
  const isDayDone = Object.values(hours).every((done) => done);
  return {
    slices: { [DAY_S]: new Map([[MIDNIGHT, isDayDone]]), [HOUR_S]: slices(hours), [MINUTE_S]: slices(minutes) },
    minutesFromMs,
  };
}

function cover(days: number[], hours: number[], minutes: number[], stretches: RollupCover['stretches']): RollupCover {
  return { rollups: { [DAY_S]: days, [HOUR_S]: hours, [MINUTE_S]: minutes }, stretches };
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
  assert.equal(coverRange(range, 300, touched({ 0: true }, {}, at(60))), cover([], [], [], [range]));
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
      (offsetMs, lengthMs, intervalSeconds, minuteMarks, hourDone) => {
        const range = { fromMs: NOON + offsetMs, toMs: NOON + offsetMs + lengthMs };
        const minutes = Object.fromEntries(minuteMarks.map(({ index, done }) => [index, done]));
        const touchedHours = [...new Set(minuteMarks.map(({ index }) => Math.floor(index / 60)))];
        const hours = Object.fromEntries(touchedHours.map((hour) => [hour * 60, hourDone[hour] ?? false]));
        const slices = touched(hours, minutes);
        const { rollups, stretches } = coverRange(range, intervalSeconds, slices);
        const parts = [
          ...([DAY_S, HOUR_S, MINUTE_S] as const).flatMap((grain) =>
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
        for (const grain of [DAY_S, HOUR_S, MINUTE_S] as const) {
          if (intervalSeconds % grain !== 0) assert.equal(rollups[grain], []);
          for (const startMs of rollups[grain]) assert.is(slices.slices[grain].get(startMs), true);
        }
      },
    ),
  );
});

test.run();
