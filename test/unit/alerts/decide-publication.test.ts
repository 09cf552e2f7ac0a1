import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { alertIdOf, msOf } from '../../../src/alerts/alert.js';
import { AlertBook, type LatestTransition } from '../../../src/alerts/alert-book.js';
import type { Transition } from '../../../src/alerts/evaluate.js';
import { decideOrphan, decidePublication, orphansOf } from '../../../src/alerts/live/decide-publication.js';
import type { AlertRule } from '../../../src/alerts/rule.js';
import { rulesOf } from '../../support/alert-process.js';
import { ALERT_END, ALERT_START, alertMessage } from '../../support/alerts.js';

const test = suite('what is published of a transition');
const START_MS = msOf(ALERT_START);
const END_MS = msOf(ALERT_END);

function ruleOf(settings: string): AlertRule {
  const [rule] = rulesOf(`alerts:\n  - { name: errors, condition: error_rate > 0.05, ${settings} }`);
  if (rule === undefined) throw new Error('no rule');
  return rule;
}
const RULE = ruleOf('severity: critical, notification: email');

function transition(to: 'firing' | 'resolved', atMs: number): Transition {
  return { rule: RULE, service: 'billing', to, atMs, startsAtMs: START_MS, value: 0.08 };
}

const CASES: readonly (readonly [
  what: string,
  to: 'firing' | 'resolved',
  latest: LatestTransition | undefined,
  outcome: string,
])[] = [
  ['begins, and nothing is known of it', 'firing', undefined, 'publish'],
  ['begins after it has resolved', 'firing', latest('resolved', END_MS - 1), 'publish'],
  ['begins, and fires by another account', 'firing', latest('firing', END_MS - 1), 'fires_already'],
  ['begins, and that is known', 'firing', latest('firing', END_MS), 'known'],
  ['begins, and it has resolved since', 'firing', latest('resolved', END_MS + 1), 'known'],
  ['resolves', 'resolved', latest('firing', END_MS - 1), 'publish'],
  ['resolves, and that is known', 'resolved', latest('resolved', END_MS), 'known'],
  ['resolves, and somebody has resolved it', 'resolved', latest('resolved', END_MS - 1), 'not_firing'],
  ['resolves, and nothing is known of it', 'resolved', undefined, 'not_firing'],
];

function latest(status: 'firing' | 'resolved', evaluatedAtMs: number): LatestTransition {
  return { status, startsAtMs: START_MS - 60_000, evaluatedAtMs };
}

for (const [what, to, known, outcome] of CASES) {
  test(`an alert that ${what}: ${outcome}`, () => {
    const publication = decidePublication(transition(to, END_MS), () => known);
    assert.is(publication.kind === 'skip' ? publication.reason : publication.kind, outcome);
  });
}

test('the message is made of the rule, and an end carries the start that was published', () => {
  const began = decidePublication(transition('firing', END_MS), () => undefined);
  if (began.kind !== 'publish') throw new Error('not published');
  const { id, ...rest } = began.message;
  assert.match(id, new RegExp(`^errors:[0-9a-f]{16}:${ALERT_END}:firing$`));
  assert.equal(rest, {
    name: 'errors',
    status: 'firing',
    severity: 'critical',
    condition: 'error_rate > 0.05',
    value: 0.08,
    labels: { service_name: 'billing' },
    starts_at: ALERT_END,
    ends_at: null,
    evaluated_at: ALERT_END,
    notification: ['email'],
    summary: 'billing: error_rate > 0.05 (it is 0.08)',
  });
  const ended = decidePublication(transition('resolved', END_MS), () => latest('firing', END_MS - 1));
  if (ended.kind !== 'publish') throw new Error('not published');
  assert.is(ended.message.starts_at, new Date(START_MS - 60_000).toISOString());
  assert.is(ended.message.ends_at, ALERT_END);
});

const ORPHANS: readonly (readonly [what: string, rules: readonly AlertRule[], isOrphan: boolean])[] = [
  ['its rule is as it was', [RULE], false],
  ['its rule has another condition', [ruleOf('for: 5m')], false],
  ['its rule is gone', [], true],
  ['its rule has other labels', [ruleOf('labels: { team: payments }')], true],
  ['its rule is no longer by service', [ruleOf('by: none')], true],
];
for (const [what, rules, isOrphan] of ORPHANS) {
  test(`an alert that fires is ${isOrphan ? '' : 'not '}resolved where ${what}`, () => {
    const book = new AlertBook();
    book.takeAlert(alertMessage('errors', 'firing'));
    assert.is(orphansOf(book.firing(), rules).length, isOrphan ? 1 : 0);
  });
}

test('an orphan is resolved once, after what is known of it', () => {
  const book = new AlertBook();
  const firing = alertMessage('errors', 'firing');
  book.takeAlert(firing);
  const [orphan] = orphansOf(book.firing(), []);
  if (orphan === undefined) throw new Error('no orphan');
  const decide = (closedUntilMs: number) => decideOrphan(orphan, closedUntilMs, (key) => book.latestOf(key));
  const behind = decide(START_MS - 60_000);
  if (behind.kind !== 'publish') throw new Error('not published');
  assert.ok(msOf(behind.message.evaluated_at) > START_MS, 'a state that is behind');
  const publication = decide(END_MS);
  if (publication.kind !== 'publish') throw new Error('not published');
  assert.equal([publication.message.ends_at, alertIdOf(publication.message)], [ALERT_END, alertIdOf(firing)]);
  book.takeAlert(publication.message);
  assert.equal(book.firing(), []);
  assert.is(decide(END_MS + 1).kind, 'skip');
});

test.run();
