import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { warnAbout } from '../../../src/alerts/check-rules.js';
import { neverHolds } from '../../../src/alerts/never-holds.js';
import { parseRules } from '../../../src/alerts/parse-rules.js';

const THRESHOLDS = { error_rate: 0.05, response_time: 2_000 };
const test = suite('rules that are valid and odd');

function warnings(rule: string): string[] {
  const outcome = parseRules(`# a line before\nalerts:\n  - ${rule}\n`);
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
  const found = warnAbout(outcome.rules, outcome.lines, { intervalMs: 15_000, thresholds: THRESHOLDS });
  return found.map(({ line, detail }) => `${line} ${detail}`);
}

test('a usual rule is not', () => {
  assert.equal(warnings('{name: a, condition: error_rate > 0.05, notification: email, for: 15s, window: 15s}'), []);
});

const ODD: readonly [rule: string, warning: RegExp][] = [
  ['{name: a, condition: errors > 1}', /^3 a: nobody is told/],
  ['{name: a, condition: errors > 1, notification: email, for: 5s}', /^3 a: for is shorter/],
  ['{name: a, condition: errors > 1, notification: email, keep_firing_for: 15s}', /keep_firing_for .* changes nothing/],
  ['{name: a, condition: errors > 1, notification: email, window: 10s}', /window is shorter .* 15s/],
  ['{name: a, condition: errors > 1, notification: email, window: 20s}', /window is no whole number .* it is 30s/],
  ['{name: a, condition: error_rate > 1, notification: email}', /condition can never hold: no error_rate/],
  [
    '{name: a, condition: errors > 1, resolve_condition: errors < 0, notification: email}',
    /resolve_condition can never hold/,
  ],
];
for (const [rule, warning] of ODD) {
  test(`${rule} is`, () => {
    const found = warnings(rule);
    assert.is(found.length, 1, found.join('\n'));
    assert.match(found[0] ?? '', warning);
  });
}

const CONDITIONS: readonly [condition: string, isImpossible: boolean][] = [
  ['error_rate > 1', true],
  ['error_rate >= 1', false],
  ['1.5 < error_rate', true],
  ['requests == 0', true],
  ['requests < 1', true],
  ['requests <= 1', false],
  ['errors == 0', false],
  ['seconds_since_seen < -1', true],
  ['cpu_usage < -1', false],
  ['errors > 5 && errors < 3', true],
  ['errors > 5 && requests < 3', false],
  ['errors > 5 && errors < 5', true],
  ['errors >= 5 && errors <= 5', false],
  ['error_rate > threshold.error_rate && error_rate < 0.01', true],
  ['error_rate > threshold.error_rate && error_rate < 0.5', false],
  ['events["user_login"] < 0', true],
  ['events["user_login"] > 3 && events["user_logout"] < 2', false],
  ['errors > 5 || errors < 3', false],
  ['errors < 0 || error_rate > 1', true],
  ['requests > 3 && (errors < 0 || error_rate > 1)', true],
  ['!(errors > 5)', false],
  ['requests * 2 < 1', false],
];
for (const [condition, isImpossible] of CONDITIONS) {
  test(`${condition} ${isImpossible ? 'is seen never to hold' : 'may hold'}`, () => {
    assert.is(neverHolds(condition, THRESHOLDS) !== undefined, isImpossible);
  });
}

test.run();
