import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type BufferLimits, type Entry, EventBuffer } from '../../../src/client/event-buffer.js';

const test = suite('the buffer of events');

const ROOMY: BufferLimits = { maxEvents: 1_000_000, maxBytes: 1e12, whenFull: 'drop_oldest' };

function buffer(limits: Partial<BufferLimits> = {}): EventBuffer {
  return new EventBuffer({ ...ROOMY, ...limits });
}

function add(to: EventBuffer, ...ids: string[]): string[] {
  return ids.flatMap((id) => names(to.add({ id, subject: 's', payload: new Uint8Array(100) })));
}

function names(entries: readonly Entry[]): string[] {
  return entries.map(({ id }) => id);
}

const FULL: readonly {
  when: string;
  limits: Partial<BufferLimits>;
  comes: string[];
  dropped: string[];
  left: string[];
}[] = [
  { when: 'there is room', limits: { maxEvents: 3 }, comes: ['a', 'b', 'c'], dropped: [], left: ['a', 'b', 'c'] },
  { when: 'the oldest goes', limits: { maxEvents: 2 }, comes: ['a', 'b', 'c'], dropped: ['a'], left: ['b', 'c'] },
  {
    when: 'the newest goes',
    limits: { maxEvents: 2, whenFull: 'drop_newest' },
    comes: ['a', 'b', 'c', 'd'],
    dropped: ['c', 'd'],
    left: ['a', 'b'],
  },
  { when: 'bytes are full', limits: { maxBytes: 1_000 }, comes: ['a', 'b', 'c'], dropped: ['a'], left: ['b', 'c'] },
  { when: 'one is larger than all room', limits: { maxBytes: 100 }, comes: ['a'], dropped: ['a'], left: [] },
];
for (const { when, limits, comes, dropped, left } of FULL) {
  test(`where ${when}, ${dropped.join(' and ') || 'nothing'} is dropped`, () => {
    const events = buffer(limits);
    assert.equal(add(events, ...comes), dropped);
    assert.is(events.size, left.length);
    assert.equal(names(events.take(9)), left);
  });
}

test('what comes back waits again before what came after it', () => {
  const events = buffer();
  add(events, 'a', 'b', 'c', 'd');
  for (const entry of events.take(3).reverse()) events.giveBack(entry);
  add(events, 'e');
  assert.is(events.waiting, 5);
  assert.equal(names(events.take(2)), ['a', 'b']);
  assert.equal(names(events.take(9)), ['c', 'd', 'e']);
});

test('what is on its way keeps its room, and is not dropped', () => {
  const events = buffer({ maxEvents: 2 });
  add(events, 'a', 'b');
  const [first, second] = events.take(2);
  assert.equal(add(events, 'c'), ['c']);
  if (first !== undefined) events.settle(first);
  assert.equal(add(events, 'd'), []);
  if (second !== undefined) events.giveBack(second);
  assert.equal(add(events, 'e'), ['b']);
  assert.equal(names(events.take(9)), ['d', 'e']);
});

test('thousands pass in their order, and nothing of them is kept', () => {
  const events = buffer();
  const passed: number[] = [];
  for (let round = 0; round < 10; round += 1) {
    for (let each = 0; each < 1_500; each += 1) events.add({ id: '', subject: '', payload: new Uint8Array() });
    // Some stay, so that what is taken begins in the middle of what waits.
    for (const entry of events.take(round < 9 ? 1_400 : 15_000)) {
      passed.push(entry.number);
      events.settle(entry);
    }
  }
  assert.equal(
    passed,
    Array.from({ length: 15_000 }, (_, index) => index),
  );
  assert.is(events.size, 0);
  assert.is(events.waiting, 0);
  assert.is(events.lastNumber, 14_999);
});

test('what would never fit takes the place of nothing', () => {
  const events = buffer({ maxBytes: 1_000 });
  add(events, 'a', 'b');
  assert.equal(names(events.add({ id: 'large', subject: 's', payload: new Uint8Array(2_000) })), ['large']);
  assert.equal(names(events.take(9)), ['a', 'b']);
});

test.run();
