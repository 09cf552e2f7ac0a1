import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type DropNotice, DropReporter } from '../../../src/client/drop-reporter.js';
import { Flushes } from '../../../src/client/flushes.js';
import { waitFor } from '../../support/servers.js';

const test = suite('the reporter of drops');

test('sums up what is dropped within a second, and tells it outside of the call', async () => {
  const notices: DropNotice[] = [];
  const told = new Promise<void>((resolve) => {
    const reporter = new DropReporter(
      (notice) => {
        notices.push(notice);
        if (notices.length === 2) resolve();
      },
      () => 'disconnected',
    );
    reporter.count('buffer_full', 3);
    reporter.count('invalid_event', 1, 'event_type is no token');
    reporter.count('buffer_full', 0);
    assert.equal(notices, []);
    setTimeout(() => {
      assert.is(notices.length, 1);
      reporter.count('buffer_full', 2);
      reporter.count('buffer_full');
      assert.equal(reporter.totals, { buffer_full: 6, invalid_event: 1 });
    }, 100);
  });
  // The reporter's own timer does not keep the process alive.
  const alive = setInterval(() => undefined, 1_000);
  const startedMs = performance.now();
  await told;
  clearInterval(alive);
  assert.ok(performance.now() - startedMs >= 900);
  assert.equal(notices, [
    {
      dropped: { buffer_full: 3, invalid_event: 1 },
      totalDropped: 4,
      detail: 'event_type is no token',
      trouble: 'disconnected',
    },
    { dropped: { buffer_full: 3 }, totalDropped: 7, trouble: 'disconnected' },
  ]);
});

test('goes on where the callback throws', () => {
  let calls = 0;
  const reporter = new DropReporter(
    () => {
      calls += 1;
      throw new Error('no');
    },
    () => undefined,
  );
  for (let round = 0; round < 2; round += 1) {
    reporter.count('buffer_full');
    reporter.tell();
  }
  assert.is(calls, 2);
});

for (const { what, thrown, told } of [
  { what: 'rejects', thrown: new Error('mine'), told: 'mine' },
  {
    what: 'rejects with what has no text',
    thrown: Object.create(null),
    told: 'something without a text was thrown',
  },
]) {
  test(`a callback that ${what} is told as a warning, and ends no process`, async () => {
    const reporter = new DropReporter(
      () => Promise.reject(thrown),
      () => undefined,
    );
    const warnings: string[] = [];
    const listener = (warning: Error): void => void warnings.push(warning.message);
    process.on('warning', listener);
    reporter.count('buffer_full');
    reporter.tell();
    await waitFor('the warning', () => warnings.find((text) => text === `onDropped threw: ${told}`));
    process.off('warning', listener);
  });
}

test('a flush waits for as long as it is told, also where no timer can', async () => {
  const flushes = new Flushes();
  const stored = flushes.wait(0, 1, Number.POSITIVE_INFINITY);
  // A timer that cannot wait so long would be over in a millisecond.
  setTimeout(() => flushes.settle(0, true), 20);
  assert.is(await stored, true);
});

test('a flush waits for what was there when it was asked for, not for what came later', async () => {
  const flushes = new Flushes();
  const first = flushes.wait(1, 2, 60_000);
  const second = flushes.wait(2, 3, 60_000);
  flushes.settle(3, true);
  flushes.settle(0, true);
  flushes.settle(1, true);
  assert.is(await first, true);
  flushes.settle(2, false);
  assert.is(await second, false);
  assert.is(await flushes.wait(9, 0, 1), true);
  assert.is(await flushes.wait(9, 1, 1), false);
});

test.run();
