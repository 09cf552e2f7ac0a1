import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MINUTE_MS } from '../../../src/demo/minute.js';
import { planOf } from '../../../src/demo/play.js';
import { joined, minutesOf, type Stretch } from '../../../src/demo/stretches.js';

const test = suite('what a start of the demo plays');

const NOW = 100_000;
const DAY = 1_440;

/** All of it in the order in which it is played; minutes count from now. */
function played(before: readonly Stretch[], days: number): [from: number, until: number][] {
  const { recentFromMinute, earlier } = planOf(before, days, NOW * MINUTE_MS + 12_345);
  const recent = { fromMinute: recentFromMinute, untilMinute: NOW };
  return [recent, ...earlier].map(({ fromMinute, untilMinute }) => [fromMinute - NOW, untilMinute - NOW]);
}

function stretch(from: number, until: number): Stretch {
  return { fromMinute: NOW + from, untilMinute: NOW + until };
}

test('is the last hour, the rest of the day, and each day before, the latest first', () => {
  assert.equal(played([], 3), [
    [-60, 0],
    [-DAY, -60],
    [-2 * DAY, -DAY],
    [-3 * DAY, -2 * DAY],
  ]);
});

test('is only what is missing', () => {
  assert.equal(played([stretch(-7 * DAY, -3)], 7), [[-3, 0]]);
  assert.equal(played([stretch(-7 * DAY, 0)], 7), [[0, 0]]);
  assert.equal(played([stretch(-100, -50), stretch(-2 * DAY, -DAY + 5)], 2), [
    [-50, 0],
    [-DAY + 5, -100],
  ]);
  assert.equal(played([stretch(-60, 0)], 1), [
    [0, 0],
    [-DAY, -60],
  ]);
});

test('goes further back where more days are wanted, and loses no minute', () => {
  const before = [stretch(-7 * DAY - 200, -90), stretch(-80, -70)];
  const rest = played(before, 30).map(([from, until]) => stretch(from, until));
  assert.equal(joined([...before, ...rest]), [stretch(-30 * DAY, 0)]);
  assert.is(minutesOf(rest), minutesOf([stretch(-30 * DAY, 0)]) - minutesOf(before));
});

test.run();
