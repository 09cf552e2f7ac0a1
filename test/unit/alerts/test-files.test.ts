import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readTestFile } from '../../../src/alerts/testing/read-test-file.js';
import { runTestCase } from '../../../src/alerts/testing/run-test-case.js';
import { MAX_STEPS, parseSeries } from '../../../src/alerts/testing/series.js';

const test = suite('tests of rules as data');

const SERIES: readonly [text: string, values: readonly (number | undefined)[] | undefined][] = [
  ['3', [3]],
  ['1 2 3', [1, 2, 3]],
  ['3x2', [3, 3, 3]],
  ['3+2x3', [3, 5, 7, 9]],
  ['3-2x3', [3, 1, -1, -3]],
  ['1 _ 2', [1, undefined, 2]],
  ['_x3 4', [undefined, undefined, undefined, 4]],
  ['0.5x1', [0.5, 0.5]],
  ['  1   2 ', [1, 2]],
  ['', undefined],
  ['x3', undefined],
  ['_+1x3', undefined],
  ['3+2', undefined],
  ['three', undefined],
  [`1x${MAX_STEPS}`, undefined],
];
for (const [text, values] of SERIES) test(`${text} is ${values}`, () => assert.equal(parseSeries(text), values));

const HEAD = `alerts:
  - {name: errors, condition: error_rate > 0.2, window: 1m, for: 30s, labels: {team: payments}}
  - {name: logins, condition: 'events["user_login"] >= 6', window: 1m}
`;

function problemsOf(text: string): string[] {
  const outcome = readTestFile(text, () => {
    throw new Error('no such file');
  });
  if (!outcome.ok) return outcome.problems.map(({ line, detail }) => `${line} ${detail}`);
  return outcome.file.cases.flatMap((each) =>
    runTestCase(outcome.file, each).map(({ line, detail }) => `${line} ${detail}`),
  );
}

const PLAYED = `${HEAD}tests:
  - name: errors
    interval: 30s
    input_series:
      web: {requests: 10x9, errors: 0x1 5x3 0x3}
      mail: {requests: 10x9, errors: 0x9}
    events: {user_login: _x4 3 3}
    expect:
`;

test('what is expected and there is fine, however it is put', () => {
  assert.equal(
    problemsOf(`${PLAYED}
      - {eval_time: 1m, alerts: []}
      - {eval_time: 1m30s, alerts: [{name: errors, status: pending, labels: {service_name: web}}]}
      - {eval_time: 2m, alerts: [{name: errors, labels: {service_name: web, team: payments, severity: warning}}]}
      - {eval_time: 3m, alerts: [{name: errors}, {name: logins, starts_at: 3m}]}
      - {eval_time: 3m, rule: logins, alerts: [{name: logins}]}
      - {eval_time: 5m, alerts: [{name: errors, status: resolved}, {name: logins, status: resolved, starts_at: 3m}]}
`),
    [],
  );
});

const FAILING: readonly [expectation: string, failure: RegExp][] = [
  ['{eval_time: 2m, alerts: []}', /^12 errors: at 2m nobody expects errors\{.*service_name="web".*\} firing since 2m/],
  ['{eval_time: 1m, alerts: [{name: errors}]}', /^12 errors: at 1m expected errors\{\} firing, found nothing/],
  [
    '{eval_time: 1m30s, alerts: [{name: errors}]}',
    /expected errors\{\} firing, found errors\{.*\} pending since 1m30s/,
  ],
  ['{eval_time: 2m, alerts: [{name: errors, starts_at: 1m}]}', /firing since 1m, found .* since 2m with 0\.\d+/],
  ['{eval_time: 2m, alerts: [{name: errors, labels: {service_name: mail}}]}', /service_name="mail"/],
  ['{eval_time: 2m, alerts: [{name: errors}, {name: errors}]}', /expected errors/],
];
for (const [expectation, failure] of FAILING) {
  test(`${expectation} fails and says what was found`, () => {
    const problems = problemsOf(`${PLAYED}      - ${expectation}\n`);
    assert.is(problems.length, 1, problems.join('\n'));
    assert.match(problems[0] ?? '', failure);
  });
}

const EXPECT = 'expect: [{eval_time: 1m, alerts: []}]';
const REFUSED: readonly [what: string, text: string, problem: RegExp][] = [
  ['no rules', `tests:\n  - {name: a, ${EXPECT}}\n`, /^1 either rule_file .* or alerts/],
  ['rules twice', `${HEAD}rule_file: a.yaml\ntests:\n  - {name: a, ${EXPECT}}\n`, /either rule_file/],
  ['a file of rules that is not there', `rule_file: a.yaml\ntests:\n  - {name: a, ${EXPECT}}\n`, /^1 a.yaml cannot/],
  [
    'a rule that is wrong',
    'alerts:\n  - {name: a, condition: eror_rate > 1}\ntests: []\n',
    /^2 condition: .*error_rate\?/,
  ],
  ['no test', HEAD, /tests is missing/],
  ['a test that cannot fail', `${HEAD}tests:\n  - {name: a}\n`, /^5 expect is missing/],
  ['an unknown key', `${HEAD}tests:\n  - {name: a, ${EXPECT}, expct: 1}\n`, /^5 expct is no setting of a test/],
  [
    'a rule that is not there',
    `${HEAD}tests:\n  - {name: a, expect: [{eval_time: 1m, alerts: [{name: eror}]}]}\n`,
    /called eror/,
  ],
  [
    'a time between evaluations',
    `${HEAD}tests:\n  - {name: a, expect: [{eval_time: 20s, alerts: []}]}\n`,
    /multiple of 15 s/,
  ],
  [
    'a series that is none',
    `${HEAD}tests:\n  - {name: a, input_series: {web: {requests: many}}, ${EXPECT}}\n`,
    /requests must be/,
  ],
  [
    'more errors than requests',
    `${HEAD}tests:\n  - {name: a, input_series: {web: {requests: 1, errors: 2}}, ${EXPECT}}\n`,
    /more errors/,
  ],
  [
    'half a request',
    `${HEAD}tests:\n  - {name: a, input_series: {web: {requests: 1.5}}, ${EXPECT}}\n`,
    /whole numbers/,
  ],
  ['no YAML', 'tests: [\n', /^2 /],
  ['a list', '- a\n', /the file must be a map/],
];
for (const [what, text, problem] of REFUSED) {
  test(`${what} is refused with its line`, () => {
    const problems = problemsOf(text);
    assert.ok(
      problems.some((each) => problem.test(each)),
      problems.join('\n'),
    );
  });
}

test.run();
