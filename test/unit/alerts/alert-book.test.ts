import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { alertIdOf, alertKey, msOf } from '../../../src/alerts/alert.js';
import { AlertBook } from '../../../src/alerts/alert-book.js';
import type { AlertAction } from '../../../src/stream/alert-actions.js';
import { ALERT_END, ALERT_START, alertMessage } from '../../support/alerts.js';

const test = suite('the book of alerts');
const START_MS = msOf(ALERT_START);
const END_MS = msOf(ALERT_END);
const FIRING = alertMessage('errors', 'firing');
const RESOLVED = alertMessage('errors', 'resolved');
const ID = alertIdOf(FIRING);

function silenced(id: string, changes: Partial<AlertAction & { type: 'silenced' }> = {}): AlertAction {
  const matchers = { alertname: 'errors' };
  return { type: 'silenced', id, at: ALERT_START, by: 'alex', comment: '', matchers, until: null, ...changes };
}

function acknowledged(by: string): AlertAction {
  return { type: 'acknowledged', id: `by ${by}`, at: ALERT_START, by, comment: '', alert_id: ID };
}

test('an alert is one from its start to its end, and a repeat changes nothing', () => {
  const book = new AlertBook();
  for (const message of [FIRING, FIRING, RESOLVED, FIRING, RESOLVED]) book.takeAlert(message);
  const [alert, ...others] = book.between({ fromMs: START_MS, toMs: END_MS });
  assert.equal(others, []);
  assert.equal([alert?.id, alert?.latest.status, alert?.latest.ends_at], [ID, 'resolved', ALERT_END]);
  assert.equal(book.firing(), []);
  assert.is(book.latestOf(alertKey('errors', FIRING.labels))?.evaluatedAtMs, END_MS);
});

test('it says what fired at a time', () => {
  const book = new AlertBook();
  book.takeAlert(FIRING);
  book.takeAlert(RESOLVED);
  const since = { rule: 'errors', service: 'billing', labels: FIRING.labels, startsAtMs: START_MS, value: 0.08 };
  const times: [number, unknown[]][] = [
    [START_MS - 1, []],
    [START_MS, [since]],
    [END_MS - 1, [since]],
    [END_MS, []],
  ];
  for (const [atMs, firing] of times) assert.equal(book.firingAt(atMs), firing, new Date(atMs).toISOString());
});

test('a range holds what fired in it, the latest first, and a status narrows it', () => {
  const book = new AlertBook();
  const later = alertMessage('slow', 'firing', { starts_at: ALERT_END, evaluated_at: ALERT_END });
  for (const message of [FIRING, RESOLVED, later]) book.takeAlert(message);
  const names = (fromMs: number, toMs: number, status?: 'firing' | 'resolved') =>
    book.between({ fromMs, toMs, status }).map(({ latest }) => latest.name);
  assert.equal(names(START_MS, END_MS), ['slow', 'errors']);
  assert.equal(names(START_MS, END_MS - 1), ['errors']);
  assert.equal(names(END_MS + 1, END_MS + 2), ['slow']);
  assert.equal(names(START_MS, END_MS, 'resolved'), ['errors']);
  assert.equal(names(0, START_MS - 1), []);
});

test('of two streams either may be read first', () => {
  for (const isActionFirst of [true, false]) {
    const book = new AlertBook();
    if (!isActionFirst) book.takeAlert(FIRING);
    book.takeAction(acknowledged('alex'), START_MS + 1);
    book.takeAction(acknowledged('kim'), START_MS + 2);
    const alerts = [{ alert_id: ID, status: 'firing' as const }];
    const notified = { id: 'n', at: ALERT_START, by: 'email', comment: '', channel: 'email', group_key: 'k', alerts };
    book.takeAction({ type: 'notified', ...notified }, START_MS + 3);
    if (isActionFirst) book.takeAlert(FIRING);
    book.takeAlert(RESOLVED);
    const alert = book.find(ID);
    assert.is(alert?.acknowledged?.by, 'alex', 'the first counts');
    assert.equal([...(alert?.notified ?? [])], [['email', { status: 'firing', atMs: START_MS + 3 }]]);
  }
});

const COVERED: readonly (readonly [what: string, silence: AlertAction, atMs: number, covers: boolean])[] = [
  ['until resolved, made after it began', silenced('s'), START_MS + 10, true],
  ['before it was made', silenced('s'), START_MS + 4, false],
  ['of a service', silenced('s', { matchers: { service_name: 'billing' } }), START_MS + 10, true],
  ['of a severity', silenced('s', { matchers: { severity: 'critical' } }), START_MS + 10, true],
  ['of another service', silenced('s', { matchers: { service_name: 'mail' } }), START_MS + 10, false],
  ['of a label that it has not', silenced('s', { matchers: { team: 'a' } }), START_MS + 10, false],
  ['of all of two labels', silenced('s', { matchers: { alertname: 'errors', service_name: 'mail' } }), END_MS, false],
  ['until a time', silenced('s', { until: ALERT_END }), END_MS - 1, true],
  ['after that time', silenced('s', { until: ALERT_END }), END_MS, false],
];
for (const [what, silence, atMs, covers] of COVERED) {
  test(`a silence ${covers ? 'covers' : 'does not cover'}: ${what}`, () => {
    const book = new AlertBook();
    book.takeAlert(FIRING);
    book.takeAction(silence, START_MS + 5);
    assert.is(book.silencesOf(FIRING, atMs).length, covers ? 1 : 0);
  });
}

test('a silence until resolved does not cover what begins later, and holds no longer when all have resolved', () => {
  const book = new AlertBook();
  book.takeAlert(FIRING);
  book.takeAction(silenced('s'), START_MS + 5);
  const labels = { service_name: 'mail' };
  const later = alertMessage('errors', 'firing', { labels, starts_at: ALERT_END, evaluated_at: ALERT_END });
  book.takeAlert(later);
  assert.equal(book.silencesOf(later, END_MS), []);
  assert.is(book.silencesAt(END_MS).length, 1);
  book.takeAlert(RESOLVED);
  assert.is(book.silencesOf(RESOLVED, END_MS).length, 1, 'nor is its end told');
  assert.equal(book.silencesAt(END_MS), []);
});

test('a silence that was ended holds no longer', () => {
  const book = new AlertBook();
  book.takeAlert(FIRING);
  book.takeAction(silenced('s', { until: ALERT_END }), START_MS + 5);
  const ended = { id: 'e', at: ALERT_START, by: 'kim', comment: '', silence_id: 's' };
  book.takeAction({ type: 'silence_ended', ...ended }, START_MS + 9);
  assert.is(book.silencesOf(FIRING, START_MS + 8).length, 1);
  assert.equal([book.silencesOf(FIRING, START_MS + 9), book.silencesAt(START_MS + 9)], [[], []]);
});

test('silences until resolved, which nobody ends, do not push out one until a time', () => {
  const book = new AlertBook();
  book.takeAction(silenced('long', { until: '2027-01-01T00:00:00.000Z' }), START_MS);
  for (let index = 0; index < 6_000; index += 1) {
    book.takeAction(silenced(`deploy-${index}`), START_MS + index);
  }
  assert.ok(book.silence('long') !== undefined);
  assert.ok(book.silence('deploy-5999') !== undefined);
});

test('it is bounded, and keeps what fires', () => {
  const book = new AlertBook();
  book.takeAlert(FIRING);
  for (let index = 0; index < 20_100; index += 1) {
    book.takeAlert(alertMessage(`r${index}`, 'resolved'));
  }
  assert.ok(book.find(ID) !== undefined);
  assert.is(book.between({ fromMs: 0, toMs: END_MS }).length, 20_000);
});

test.run();
