import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { joined, missingOf, type Stretch } from '../../../src/demo/stretches.js';

const test = suite('stretches of minutes');

function stretches(...pairs: readonly (readonly [number, number])[]): Stretch[] {
  return pairs.map(([fromMinute, untilMinute]) => ({ fromMinute, untilMinute }));
}

test('are joined where they overlap or touch, whatever their order', () => {
  assert.equal(joined(stretches([20, 30], [0, 5], [5, 10], [25, 40], [26, 27])), stretches([0, 10], [20, 40]));
  assert.equal(joined(stretches([7, 7], [9, 8])), []);
});

test('what is missing lies before, between and behind those that are there', () => {
  const whole = { fromMinute: 10, untilMinute: 50 };
  assert.equal(missingOf(whole, []), [whole]);
  assert.equal(missingOf(whole, stretches([40, 45], [20, 30])), stretches([10, 20], [30, 40], [45, 50]));
  assert.equal(missingOf(whole, stretches([0, 20], [45, 60])), stretches([20, 45]));
  assert.equal(missingOf(whole, stretches([0, 5], [70, 80])), [whole]);
  assert.equal(missingOf(whole, stretches([10, 50])), []);
});

test.run();
