import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseDuration, parseRules } from '../../../src/alerts/parse-rules.js';
import { MAX_RULES } from '../../../src/alerts/rule.js';

const test = suite('rules of alerts');

test("the product's example is a rule with the usual defaults", () => {
  const outcome = parseRules(`alerts:
  - name: high_error_rate
    condition: error_rate > 0.05
    severity: critical
    notification: email,slack
`);
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
  const [{ condition, ...rule } = { condition: undefined }] = outcome.rules;
  assert.is(condition?.text, 'error_rate > 0.05');
  assert.equal(rule, {
    name: 'high_error_rate',
    resolveCondition: undefined,
    severity: 'critical',
    notification: ['email', 'slack'],
    forMs: 0,
    keepFiringForMs: 0,
    windowMs: 300_000,
    by: 'service_name',
    labels: {},
    summary: undefined,
    repeatMs: undefined,
  });
});

test('every setting is read', () => {
  const outcome = parseRules(`alerts:
  - name: slow
    condition: p95_response_time > threshold.response_time
    resolve_condition: p95_response_time < 1000
    severity: info
    notification: [webhook, slack]
    for: 5m
    keep_firing_for: 90
    window: 1h30m
    by: none
    labels: {team: payments, tier: 1}
    summary: Answers are slow
    repeat: 4h
`);
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
  const [rule] = outcome.rules;
  assert.is(rule?.resolveCondition?.text, 'p95_response_time < 1000');
  assert.equal(rule?.notification, ['webhook', 'slack']);
  assert.equal(
    [rule?.forMs, rule?.keepFiringForMs, rule?.windowMs, rule?.repeatMs],
    [300_000, 90_000, 5_400_000, 14_400_000],
  );
  assert.equal([...outcome.lines], [['slow', 2]]);
  assert.equal([rule?.by, rule?.labels], ['none', { team: 'payments', tier: '1' }]);
});

test('a rule about events alone is about the platform', () => {
  const outcome = parseRules('alerts:\n  - name: quiet\n    condition: events["user_login"] < 1\n');
  assert.ok(outcome.ok && outcome.rules[0]?.by === 'none');
});

test('no rules are fine', () => {
  for (const text of ['', 'alerts:\n', 'alerts: []\n']) {
    assert.equal(parseRules(text), { ok: true, rules: [], lines: new Map() });
  }
});

const RULE = 'condition: requests > 1';
const REFUSED: readonly [what: string, text: string, line: number, detail: RegExp][] = [
  ['an unknown name', 'alerts:\n  - name: a\n    condition: eror_rate > 1\n', 3, /did you mean error_rate/],
  ['a type that does not fit', 'alerts:\n  - name: a\n    condition: requests > "x"\n', 3, /overload/],
  ['two rules of one name', `alerts:\n  - {name: a, ${RULE}}\n  - {name: a, ${RULE}}\n`, 3, /a rule called a is there/],
  ['an unknown key', `alerts:\n  - name: a\n    ${RULE}\n    severty: info\n`, 4, /severty is no setting/],
  ['a key twice', `alerts:\n  - name: a\n    name: b\n    ${RULE}\n`, 3, /unique/i],
  ['a missing name', `alerts:\n  - ${RULE}\n`, 2, /name is missing/],
  ['a missing condition', 'alerts:\n  - name: a\n', 2, /condition is missing/],
  ['another severity', `alerts:\n  - {name: a, ${RULE}, severity: fatal}\n`, 2, /one of info, warning, critical/],
  ['another channel', `alerts:\n  - {name: a, ${RULE}, notification: pager}\n`, 2, /email, slack, webhook/],
  ['a duration without a unit', `alerts:\n  - {name: a, ${RULE}, for: 5x}\n`, 2, /must be a duration/],
  ['a window of a month', `alerts:\n  - {name: a, ${RULE}, window: 30d}\n`, 2, /must be from 1 s to 86400 s/],
  ['a label of Prometheus', `alerts:\n  - name: a\n    ${RULE}\n    labels: {__proto__: x}\n`, 4, /cannot be a label/],
  ['a label that is taken', `alerts:\n  - name: a\n    ${RULE}\n    labels: {severity: x}\n`, 4, /cannot be a label/],
  ['a name with a line break', `alerts:\n  - {name: "a\\nb", ${RULE}}\n`, 2, /name must match/],
  ['a list at the top', '- a\n', 1, /must be a map/],
  ['another key at the top', 'groups: []\n', 1, /groups is no setting/],
  ['no YAML', 'alerts: [\n', 2, /./],
  [
    'a platform that is seen',
    'alerts:\n  - {name: a, condition: seconds_since_seen > 1, by: none}\n',
    2,
    /services only/,
  ],
];
for (const [what, text, line, detail] of REFUSED) {
  test(`${what} is refused with its line`, () => {
    const outcome = parseRules(text);
    if (outcome.ok) return assert.unreachable('it was taken');
    assert.ok(
      outcome.problems.some((problem) => problem.line === line && detail.test(problem.detail)),
      JSON.stringify(outcome.problems),
    );
  });
}

test('an alias bomb is refused', () => {
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
  for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg'].map((pair) => [pair[0], pair[1]])) {
    bomb.push(`${to}: &${to} [${Array.from({ length: 9 }, () => `*${from}`).join(', ')}]`);
  }
  assert.not(parseRules(`${bomb.join('\n')}\nalerts: *g\n`).ok);
});

test('more rules than can be evaluated are refused', () => {
  const rules = Array.from({ length: MAX_RULES + 1 }, (_, index) => `  - {name: r${index}, ${RULE}}`);
  assert.not(parseRules(`alerts:\n${rules.join('\n')}\n`).ok);
});

const DURATIONS: readonly [unknown, number | undefined][] = [
  ['30s', 30_000],
  ['1h30m', 5_400_000],
  ['2d', 172_800_000],
  [90, 90_000],
  [0, 0],
  ['', undefined],
  ['5', undefined],
  ['m', undefined],
  ['-5m', undefined],
  ['30m1h', undefined],
  [1.5, undefined],
  [null, undefined],
];
for (const [given, milliseconds] of DURATIONS) {
  test(`the duration ${JSON.stringify(given)} is ${milliseconds} ms`, () => {
    assert.is(parseDuration(given), milliseconds);
  });
}

test.run();
