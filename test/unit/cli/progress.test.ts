import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Progress } from '../../../src/cli/progress.js';

const test = suite('progress');

/** A progress at a clock that the test moves, and what it has written. */
function begin(isTTY: boolean) {
  const written: string[] = [];
  const clock = { nowMs: 0 };
  const output = { isTTY, columns: 60, write: (text: string) => written.push(text) };
  return { progress: new Progress('events', output, () => clock.nowMs), written, clock };
}

test('a terminal gets a bar with the rate and the time left, written over, and no longer than its lines', () => {
  const { progress, written, clock } = begin(true);
  for (const [atMs, done] of [
    [50, 10],
    [1_000, 250_000],
    [2_000, 500_000],
  ] as const) {
    clock.nowMs = atMs;
    progress.update(done, 1_000_000);
  }
  assert.is(written.length, 2);
  assert.match(written[1] ?? '', '[############............] 50% 500,000/1,000,000 events');
  for (const line of written) {
    assert.match(line, /^\r\x1b\[K/);
    assert.ok(line.length <= 64);
  }
  clock.nowMs = 4_000;
  progress.finish(1_000_000);
  assert.is(written.at(-1), '1,000,000 events in 4.0 s (250,000/s)\n');
});

test('elsewhere it writes plain lines now and then', () => {
  const { progress, written, clock } = begin(false);
  for (let second = 1; second <= 12; second += 1) {
    clock.nowMs = second * 1_000;
    progress.update(second * 100, 2_000);
  }
  assert.equal(written, ['25% 500/2,000 events, 100/s, 15 s left\n', '50% 1,000/2,000 events, 100/s, 10 s left\n']);
});

test.run();
