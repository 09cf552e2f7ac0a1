import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type AlertMessage, alertIdOf } from '../../../../src/alerts/alert.js';
import {
  type Attention,
  decideGroup,
  groupRepeats,
  type PendingTransition,
  repeatDueMs,
} from '../../../../src/alerts/notify/decide.js';
import { alertMessage } from '../../../support/alerts.js';

const test = suite('what is told of alerts');

const NOW_MS = Date.parse('2026-11-24T12:10:00.000Z');
const DAY_MS = 86_400_000;
const NOBODY: Attention = { isSilenced: () => false, isAcknowledged: () => false };
const SILENCED: Attention = { ...NOBODY, isSilenced: () => true };
const ACKNOWLEDGED: Attention = { ...NOBODY, isAcknowledged: () => true };

interface Given {
  readonly group: readonly AlertMessage[];
  readonly attention?: Attention;
  readonly told?: readonly AlertMessage[];
  readonly firing?: readonly AlertMessage[];
  readonly ageMs?: number;
}

function decide({ group, attention = NOBODY, told = [], firing = [], ageMs = 31_000 }: Given): string[] {
  const pending = group.map(
    (alert, index): PendingTransition => ({ alert, sequence: index + 1, storedAtMs: NOW_MS - ageMs }),
  );
  const has = (alerts: readonly AlertMessage[]) => (id: string) => alerts.some((alert) => alertIdOf(alert) === id);
  const context = { nowMs: NOW_MS, attention, giveUpAfterMs: DAY_MS, wasTold: has(told), isFiring: has(firing) };
  const decision = decideGroup(pending, context);
  return [
    ...decision.told.map(({ as, alert }) => `${alert.name} ${as}`),
    ...decision.notTold.map(({ id, reason }) => `${id.split(':')[0]} ${id.split(':').at(-1)}: ${reason}`),
  ];
}

const a = alertMessage('a', 'firing');
const aEnded = alertMessage('a', 'resolved');
const aLater = alertMessage('a', 'firing', { starts_at: '2026-11-24T12:08:00.000Z' });
const b = alertMessage('b', 'firing');

const CASES: readonly [sentence: string, given: Given, then: readonly string[]][] = [
  ['what fires is told', { group: [a] }, ['a firing']],
  ['what fires together is told together', { group: [a, b] }, ['a firing', 'b firing']],
  ['a repeat of the same transition is told once', { group: [a, a] }, ['a firing']],
  ['what resolves is told to who was told that it fires', { group: [aEnded], told: [a] }, ['a resolved']],
  ['what resolves is not told to who knows nothing of it', { group: [aEnded] }, ['a resolved: firing_was_not_told']],
  ['what fired and resolved within a group has one line', { group: [a, aEnded], told: [] }, ['a fired_and_resolved']],
  [
    'the same alert at two times is told twice',
    { group: [a, aEnded, aLater], firing: [aLater] },
    ['a fired_and_resolved', 'a firing'],
  ],
  ['a silence keeps it from being told', { group: [a], attention: SILENCED }, ['a firing: silenced']],
  [
    'a silence keeps both transitions of a group from being told',
    { group: [a, aEnded], attention: SILENCED },
    ['a firing: silenced', 'a resolved: silenced'],
  ],
  ['an acknowledgement does not keep the first notice back', { group: [a], attention: ACKNOWLEDGED }, ['a firing']],
  [
    'an acknowledged alert still has its resolved notice',
    { group: [aEnded], attention: ACKNOWLEDGED, told: [a] },
    ['a resolved'],
  ],
  [
    'what is over for more than a day is not told',
    { group: [a, aEnded], ageMs: DAY_MS + 1 },
    ['a firing: too_old', 'a resolved: too_old'],
  ],
  [
    'what fires for more than a day and still does is told',
    { group: [a], ageMs: DAY_MS + 1, firing: [a] },
    ['a firing'],
  ],
];
for (const [sentence, given, then] of CASES) test(sentence, () => assert.equal(decide(given), then));

test('what fired and resolved is told with its end and the value that it fired for', () => {
  const pending = [a, alertMessage('a', 'resolved', { value: 0.01 })].map((alert, index) => {
    return { alert, sequence: index, storedAtMs: NOW_MS };
  });
  const context = {
    nowMs: NOW_MS,
    attention: NOBODY,
    giveUpAfterMs: DAY_MS,
    wasTold: () => false,
    isFiring: () => false,
  };
  const [told] = decideGroup(pending, context).told;
  assert.equal([told?.alert.status, told?.alert.ends_at, told?.alert.value], ['resolved', aEnded.ends_at, 0.08]);
});

const HOUR_MS = 3_600_000;
const REPEATS: readonly [
  sentence: string,
  toldAtMs: number | undefined,
  repeatMs: number | undefined,
  attention: Attention,
  then: number | string,
][] = [
  ['a repeat is due that long after the last notice', NOW_MS, HOUR_MS, NOBODY, NOW_MS + HOUR_MS],
  ['a rule without repeat has none', NOW_MS, undefined, NOBODY, 'no_repeat'],
  ['an acknowledged alert is not repeated', NOW_MS, HOUR_MS, ACKNOWLEDGED, 'acknowledged'],
  ['a silenced alert is not repeated', NOW_MS, HOUR_MS, SILENCED, 'silenced'],
  ['what fires and was never told is due at once, as when a silence has ended', undefined, undefined, NOBODY, 0],
  ['what was never told waits for the end of its silence', undefined, undefined, SILENCED, 'silenced'],
];
for (const [sentence, toldAtMs, repeatMs, attention, then] of REPEATS) {
  test(sentence, () => assert.equal(repeatDueMs({ alert: a, toldAtMs }, repeatMs, attention, NOW_MS), then));
}

test('repeats that fall due within the time of a group wait for one another', () => {
  const due = [1_000, 20_000, 31_000, 40_000].map((dueMs) => ({ alert: a, toldAtMs: 0, dueMs }));
  assert.equal(groupRepeats(due, 30_000, 30_999), []);
  assert.equal(
    groupRepeats(due, 30_000, 60_000).map(({ dueMs }) => dueMs),
    [1_000, 20_000, 31_000],
  );
  assert.equal(groupRepeats([], 30_000, 60_000), []);
});

test.run();
