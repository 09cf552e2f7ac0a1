import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AlertMessage } from '../../../../src/alerts/alert.js';
import { type Batch, type BatchRules, ChannelState, recordOf } from '../../../../src/alerts/notify/channel-state.js';
import { alertMessage } from '../../../support/alerts.js';

const test = suite("a channel's state");

const START_MS = Date.parse('2026-11-24T12:00:00.000Z');
const HOUR_MS = 3_600_000;

interface World {
  silenced: boolean;
  acknowledged: boolean;
  repeatMs: number | undefined;
}
function rules(world: Partial<World> = {}): BatchRules {
  return {
    groupMs: 30_000,
    settleMs: 1_000,
    giveUpAfterMs: 24 * HOUR_MS,
    attention: { isSilenced: () => world.silenced === true, isAcknowledged: () => world.acknowledged === true },
    repeatMsOf: () => world.repeatMs,
  };
}
function stateOf(
  log: readonly (readonly [alert: AlertMessage, atSecond: number])[],
  world?: Partial<World>,
  position = 0,
) {
  const state = new ChannelState('email', position, rules(world));
  for (const [index, [alert, atSecond]] of log.entries()) {
    state.take({ alert, sequence: index + 1, storedAtMs: at(atSecond) }, at(atSecond));
  }
  return state;
}
function at(second: number): number {
  return START_MS + second * 1_000;
}
function named(batch: Batch | undefined): string[] | undefined {
  return batch?.notice?.told.map(({ as, alert }) => `${alert.name} ${as}`);
}
/** Sends what is due, and remembers it. */
function send(state: ChannelState, second: number): string[] | undefined {
  const batch = state.nextBatch(at(second));
  if (batch === undefined) return undefined;
  const outcome = batch.notice === undefined ? 'skipped' : 'sent';
  state.remember(recordOf('email', batch, outcome, '', at(second)));
  return named(batch) ?? batch.notTold.map(({ reason }) => reason);
}

const a = alertMessage('a', 'firing');
const aEnded = alertMessage('a', 'resolved');
const b = alertMessage('b', 'firing');

test('a group is what was stored within 30 s of its first, and waits for that time', () => {
  const state = stateOf([
    [a, 0],
    [b, 29.9],
    [alertMessage('c', 'firing'), 30],
  ]);
  assert.equal(named(state.nextBatch(at(30))), ['a firing', 'b firing'], 'a later one closes it');
  assert.is(stateOf([[a, 0]]).nextBatch(at(30)), undefined, 'nothing closes it but the clock');
  assert.equal(named(stateOf([[a, 0]]).nextBatch(at(31))), ['a firing']);
});

test('the key is the same however late, and whoever folds the log', () => {
  const log = [
    [a, 0],
    [b, 5],
    [aEnded, 40],
  ] as const;
  const first = stateOf(log).nextBatch(at(31));
  const again = stateOf(log).nextBatch(at(3_000));
  assert.is(first?.key, again?.key);
  assert.is(first?.throughSequence, 2);
  assert.is.not(first?.key, stateOf([[a, 0]]).nextBatch(at(31))?.key);
});

test('transitions that name other channels are no concern', () => {
  const state = stateOf([[alertMessage('a', 'firing', { notification: ['slack'] }), 0]]);
  assert.is(state.nextBatch(at(100)), undefined);
});

test('what was sent is neither forgotten nor repeated by who folds the records', () => {
  const log = [
    [a, 0],
    [aEnded, 100],
  ] as const;
  const before = stateOf(log);
  const batch = before.nextBatch(at(101));
  if (batch === undefined) throw new Error('nothing was due');
  const record = recordOf('email', batch, 'sent', '', at(101));
  const after = new ChannelState('email', 0, rules());
  after.remember(record);
  for (const [index, [alert, second]] of log.entries()) {
    after.take({ alert, sequence: index + 1, storedAtMs: at(second) }, at(second));
  }
  assert.equal(send(after, 131), ['a resolved']);
  assert.is(send(after, 1_000), undefined);
});

test('a clock that is far behind the server does not hold a group back', () => {
  const state = new ChannelState('email', 0, rules());
  state.take({ alert: a, sequence: 1, storedAtMs: at(3_600) }, at(0));
  assert.is(state.nextBatch(at(30)), undefined);
  assert.equal(named(state.nextBatch(at(31))), ['a firing']);
});

test('who was told that it fires is told that it resolved, although its rule names others by now', () => {
  const state = stateOf([[a, 0]], { repeatMs: HOUR_MS });
  send(state, 31);
  const elsewhere = alertMessage('a', 'resolved', { notification: ['slack'] });
  state.take({ alert: elsewhere, sequence: 2, storedAtMs: at(60) }, at(60));
  assert.equal(send(state, 91), ['a resolved']);
  assert.is(send(state, 100_000), undefined);
});

test('a repeat comes that long after the last notice, again and again, each with a key of its own', () => {
  const state = stateOf([[a, 0]], { repeatMs: HOUR_MS });
  send(state, 31);
  assert.is(state.nextBatch(at(31 + 3_600)), undefined, 'it waits for others that fall due');
  const first = state.nextBatch(at(61 + 3_600));
  assert.equal(send(state, 61 + 3_600), ['a still_firing']);
  const second = state.nextBatch(at(91 + 7_200));
  assert.equal(send(state, 91 + 7_200), ['a still_firing']);
  assert.is.not(first?.key, second?.key);
});

test('an acknowledgement ends the repeats, and not the resolved notice', () => {
  const world: Partial<World> = { repeatMs: HOUR_MS };
  const state = stateOf([[a, 0]], world);
  send(state, 31);
  world.acknowledged = true;
  assert.is(send(state, 100_000), undefined);
  state.take({ alert: aEnded, sequence: 2, storedAtMs: at(100_000) }, at(100_000));
  assert.equal(send(state, 100_031), ['a resolved']);
});

test('what is silenced is skipped with its reason, and told when the silence has ended and it fires still', () => {
  const world: Partial<World> = { silenced: true };
  const state = stateOf([[a, 0]], world);
  assert.equal(send(state, 31), ['silenced']);
  assert.is(send(state, 500), undefined);
  world.silenced = false;
  assert.equal(send(state, 501), ['a firing']);
  assert.is(send(state, 502), undefined);
});

test('what fired and resolved under a silence is never told', () => {
  const world: Partial<World> = { silenced: true };
  const state = stateOf([[a, 0]], world);
  send(state, 31);
  state.take({ alert: aEnded, sequence: 2, storedAtMs: at(60) }, at(60));
  world.silenced = false;
  assert.equal(send(state, 100), ['firing_was_not_told']);
  assert.is(send(state, 1_000), undefined);
});

test('a channel that is new tells what fires, and nothing of what is over', () => {
  const state = stateOf(
    [
      [a, 0],
      [aEnded, 50],
      [b, 60],
    ],
    {},
    3,
  );
  assert.equal(send(state, 1_000), ['b firing']);
});

test('what was given up is not tried again, and its end is told', () => {
  const state = stateOf([[a, 0]]);
  const batch = state.nextBatch(at(31));
  if (batch === undefined) throw new Error('nothing was due');
  state.remember(recordOf('email', batch, 'dead_lettered', 'timeout', at(90_000)));
  assert.is(send(state, 90_001), undefined);
  state.take({ alert: aEnded, sequence: 2, storedAtMs: at(90_100) }, at(90_100));
  assert.equal(send(state, 90_200), ['a resolved']);
});

test('a catch-up of what fired and resolved is one notice', () => {
  const names = Array.from({ length: 40 }, (_, index) => `rule_${index}`);
  const log = names.flatMap((name) => [
    [alertMessage(name, 'firing'), 0] as const,
    [alertMessage(name, 'resolved'), 1] as const,
  ]);
  const told = send(stateOf(log), 31);
  assert.equal(
    told,
    names.map((name) => `${name} fired_and_resolved`),
  );
});

test('a group has at most 500 transitions; the rest makes the next', () => {
  const log = Array.from({ length: 700 }, (_, index) => [alertMessage(`r${index}`, 'firing'), 0] as const);
  const state = stateOf(log);
  assert.is(send(state, 5)?.length, 500);
  assert.is(send(state, 5), undefined);
  assert.is(send(state, 31)?.length, 200);
});

test.run();
