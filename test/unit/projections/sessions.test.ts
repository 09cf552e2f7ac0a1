import '../../support/seed.js';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nextStep } from '../../../src/projections/fold-sessions.js';
import { countChanges, gapMsOf, mergeSessions, type Session } from '../../../src/projections/sessions.js';
import { type Checkpoint } from '../../../src/store/checkpoints.js';
import { bucketOf } from '../../../src/store/log-buckets.js';

const test = suite('Sessions');

const MINUTE_MS = 60_000;
const DAY_S = 86_400;

const at = (key: string, minute: number): Session => ({
  key,
  firstMs: minute * MINUTE_MS,
  lastMs: minute * MINUTE_MS,
});
const session = (key: string, first: number, last: number): Session => ({
  key,
  firstMs: first * MINUTE_MS,
  lastMs: last * MINUTE_MS,
});

const TABLE: readonly {
  what: string;
  existing?: Session[];
  events: Session[];
  removed?: Session[];
  added?: Session[];
}[] = [
  { what: 'one event is a session of no length', events: [at('user:1', 5)], added: [session('user:1', 5, 5)] },
  {
    what: 'a gap of exactly 30 minutes does not end a session',
    events: [at('user:1', 30), at('user:1', 0)],
    added: [session('user:1', 0, 30)],
  },
  {
    what: 'a longer gap does',
    events: [at('user:1', 0), at('user:1', 30.001)],
    added: [session('user:1', 0, 0), session('user:1', 30.001, 30.001)],
  },
  {
    what: 'with an id no gap does',
    events: [at('id:a', 0), at('id:a', 5_000)],
    added: [session('id:a', 0, 5_000)],
  },
  {
    what: 'a late event joins two sessions',
    existing: [session('user:1', 0, 10), session('user:1', 60, 70)],
    events: [at('user:1', 35)],
    removed: [session('user:1', 0, 10), session('user:1', 60, 70)],
    added: [session('user:1', 0, 70)],
  },
  {
    what: 'a late event begins a session earlier',
    existing: [session('user:1', 20, 30)],
    events: [at('user:1', 0)],
    removed: [session('user:1', 20, 30)],
    added: [session('user:1', 0, 30)],
  },
  {
    what: 'an event within a session changes nothing',
    existing: [session('user:1', 0, 10)],
    events: [at('user:1', 4), at('user:1', 0), at('user:1', 10)],
  },
  {
    what: 'sessions of others are left alone',
    existing: [session('user:1', 0, 10), session('user:2', 0, 10)],
    events: [at('user:1', 12)],
    removed: [session('user:1', 0, 10)],
    added: [session('user:1', 0, 12)],
  },
];
for (const { what, existing = [], events, removed = [], added = [] } of TABLE) {
  test(what, () => {
    assert.equal(mergeSessions(existing, events), { removed, added });
  });
}

/** The sessions of all events at once, by following each key's times. */
function recount(events: readonly Session[]): Session[] {
  const times = new Map<string, number[]>();
  for (const { key, firstMs } of events) times.set(key, [...(times.get(key) ?? []), firstMs]);
  return [...times].flatMap(([key, of]) => {
    const sorted = of.sort((a, b) => a - b);
    const gap = gapMsOf(key);
    const firsts = sorted.filter((time, index) => index === 0 || time - (sorted[index - 1] ?? 0) > gap);
    const lasts = sorted.filter((time, index) => (sorted[index + 1] ?? Number.POSITIVE_INFINITY) - time > gap);
    if (gap === Number.POSITIVE_INFINITY) return [{ key, firstMs: sorted[0] ?? 0, lastMs: sorted.at(-1) ?? 0 }];
    return firsts.map((firstMs, index) => ({ key, firstMs, lastMs: lasts[index] ?? 0 }));
  });
}

const byPlace = (a: Session, b: Session): number => a.key.localeCompare(b.key) || a.firstMs - b.firstMs;

/** What the worker loads: sessions within a gap of the stretch of a key's new events. */
function near(stored: readonly Session[], events: readonly Session[]): Session[] {
  return stored.filter(({ key, firstMs, lastMs }) => {
    const times = events.filter((event) => event.key === key).map((event) => event.firstMs);
    return firstMs <= Math.max(...times) + gapMsOf(key) && lastMs >= Math.min(...times) - gapMsOf(key);
  });
}

const EVENT = fc
  .tuple(fc.constantFrom('user:1', 'user:2', 'id:a', 'id:b'), fc.integer({ min: 0, max: 3_000 }))
  .map(([key, tenths]) => at(key, tenths / 2));

test('in whatever order and batches events arrive, sessions and counts are those of a recount', () => {
  fc.assert(
    fc.property(fc.array(fc.array(EVENT, { minLength: 1, maxLength: 12 }), { maxLength: 12 }), (batches) => {
      let stored: Session[] = [];
      const counts = new Map<string, { sessions: number; lengthMs: number }>();
      for (const batch of batches) {
        const changes = mergeSessions(near(stored, batch), batch);
        const gone = new Set(changes.removed.map(({ key, firstMs }) => `${key} ${firstMs}`));
        stored = [...stored.filter(({ key, firstMs }) => !gone.has(`${key} ${firstMs}`)), ...changes.added];
        for (const { spanSeconds, startsAtMs, bucket, sessions, lengthMs } of countChanges(changes)) {
          const place = `${spanSeconds} ${startsAtMs} ${bucket}`;
          const before = counts.get(place) ?? { sessions: 0, lengthMs: 0 };
          counts.set(place, { sessions: before.sessions + sessions, lengthMs: before.lengthMs + lengthMs });
        }
      }
      const wanted = recount(batches.flat());
      assert.equal([...stored].sort(byPlace), [...wanted].sort(byPlace));

      const wantedCounts = new Map<string, { sessions: number; lengthMs: number }>();
      for (const { firstMs, lastMs } of wanted) {
        for (const seconds of [3_600, DAY_S]) {
          const place = `${seconds} ${firstMs - (firstMs % (seconds * 1000))} ${bucketOf(lastMs - firstMs)}`;
          const { sessions, lengthMs } = wantedCounts.get(place) ?? { sessions: 0, lengthMs: 0 };
          wantedCounts.set(place, { sessions: sessions + 1, lengthMs: lengthMs + lastMs - firstMs });
        }
      }
      const filled = new Map([...counts].filter(([, { sessions }]) => sessions !== 0));
      assert.equal(Object.fromEntries(filled), Object.fromEntries(wantedCounts));
      assert.ok([...counts.values()].every(({ sessions, lengthMs }) => sessions > 0 || lengthMs === 0));
    }),
  );
});

const checkpoint = (sequence: number, streamCreatedAt = 'then'): Checkpoint => ({
  sequence,
  streamCreatedAt,
  epoch: 1,
  holder: '',
  lastEventId: '',
  lastStoredAtMs: 0,
  haltReason: null,
  wholeFrom: 0,
  generation: 0,
});
for (const [what, own, tables, wanted] of [
  ['no tables yet', checkpoint(0), undefined, 'wait'],
  ['an empty log', checkpoint(0), checkpoint(0), 'wait'],
  ['nothing folded yet', checkpoint(0), checkpoint(7), 'empty'],
  ['sessions behind the tables', checkpoint(5), checkpoint(7), 'fold'],
  ['all folded', checkpoint(7), checkpoint(7), 'wait'],
  ['tables behind the sessions', checkpoint(7), checkpoint(6), 'begin_anew'],
  ['tables that were emptied', checkpoint(7), checkpoint(0), 'begin_anew'],
  ['tables of another stream', checkpoint(7), checkpoint(9, 'later'), 'begin_anew'],
  ['tables whose past was changed', checkpoint(7), { ...checkpoint(9), generation: 1 }, 'begin_anew'],
] as const) {
  test(`${what}: ${wanted}`, () => assert.is(nextStep(own, tables), wanted));
}

test.run();
