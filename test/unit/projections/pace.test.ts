import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Pace } from '../../../src/projections/pace.js';

const test = suite('pace');
const WORKED_MS = 20;
const forever = new AbortController().signal;

test('it rests for a multiple of the time that it worked', async () => {
  const startMs = performance.now();
  await new Pace(3, forever).rest(WORKED_MS);
  // A timer may fire up to a millisecond early.
  assert.ok(performance.now() - startMs >= 3 * WORKED_MS - 1);
});

test('it hands on what the work answers and throws, and does not begin once it was called off', async () => {
  const pace = new Pace(0, forever);
  assert.is(await pace.of(async () => 5), 5);
  const failure = new Error('no');
  const thrown = await pace
    .of(() => Promise.reject(failure))
    .then(
      () => undefined,
      (error: unknown) => error,
    );
  assert.is(thrown, failure);
  let worked = false;
  const calledOff = new Pace(0, AbortSignal.abort(failure)).of(async () => {
    worked = true;
  });
  assert.is(await calledOff.then(undefined, (error: unknown) => error), failure);
  assert.not(worked);
});

test('a rest ends when it is called off', async () => {
  const controller = new AbortController();
  const resting = new Pace(100, controller.signal).rest(1_000_000);
  controller.abort();
  await resting;
});

test.run();
