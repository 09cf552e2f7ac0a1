import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RateLimiter } from '../../../src/http/auth/rate-limiter.js';

const test = suite('the rate of a bearer');

const START_MS = Date.UTC(2026, 10, 24, 12);
/** Ten a second. */
const LIMIT = { requests: 100, windowSeconds: 10 };

test('so many come at once, and then one as soon as there is one again', () => {
  const limiter = new RateLimiter(LIMIT);
  assert.is(limiter.policy, '"token";q=100;w=10');
  for (let taken = 1; taken <= 100; taken += 1) {
    const { isAllowed, remaining } = limiter.take('a', START_MS);
    assert.equal([isAllowed, remaining], [true, 100 - taken]);
  }
  assert.equal(limiter.take('a', START_MS), { isAllowed: false, remaining: 0, resetSeconds: 1 });
  assert.is(limiter.take('a', START_MS + 99).isAllowed, false, 'refusals cost nothing');
  assert.equal(limiter.take('a', START_MS + 100), { isAllowed: true, remaining: 0, resetSeconds: 1 });
  assert.is(limiter.take('b', START_MS).remaining, 99, 'another bearer has its own');
});

test('after the window there are all again, and no more', () => {
  const limiter = new RateLimiter(LIMIT);
  for (let taken = 0; taken < 60; taken += 1) limiter.take('a', START_MS);
  assert.equal(limiter.take('a', START_MS + 1_000), { isAllowed: true, remaining: 49, resetSeconds: 6 });
  assert.is(limiter.take('a', START_MS + 3_600_000).remaining, 99);
});

test('what a batch owes comes back before the next request, and is bounded', () => {
  const limiter = new RateLimiter(LIMIT);
  limiter.take('a', START_MS);
  limiter.charge('a', 149, START_MS);
  assert.equal(limiter.take('a', START_MS), { isAllowed: false, remaining: 0, resetSeconds: 6 });
  assert.is(limiter.take('a', START_MS + 5_100).isAllowed, true);
  limiter.charge('a', 1e9, START_MS + 5_100);
  assert.is(limiter.take('a', START_MS + 5_100).resetSeconds, 11, 'no more than a window is owed');
});

test('a clock that is set back takes nothing and gives nothing', () => {
  const limiter = new RateLimiter(LIMIT);
  limiter.take('a', START_MS);
  assert.is(limiter.take('a', START_MS - 3_600_000).remaining, 98);
  assert.is(limiter.take('a', START_MS - 3_600_000 + 100).remaining, 98);
});

test('however many bearers there are, ten thousand are remembered', () => {
  const limiter = new RateLimiter(LIMIT);
  for (let index = 0; index < 25_000; index += 1) limiter.take(`bearer-${index}`, START_MS);
  assert.is(limiter.size, 10_000);
});

test.run();
