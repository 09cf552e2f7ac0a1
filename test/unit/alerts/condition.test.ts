import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Condition, type ConditionContext, parseCondition } from '../../../src/alerts/condition.js';

const NONE: ConditionContext = { events: new Map(), threshold: { error_rate: 0.05, response_time: 2_000 } };
const test = suite('conditions');

function parse(text: string): Condition {
  const outcome = parseCondition(text);
  if (!outcome.ok) throw new Error(outcome.detail);
  return outcome.condition;
}

const CASES: readonly [
  text: string,
  values: Partial<ConditionContext>,
  holds: boolean | undefined,
  value: number | null,
][] = [
  ['error_rate > 0.05', { error_rate: 0.06 }, true, 0.06],
  ['error_rate > 0.05', { error_rate: 0.05 }, false, 0.05],
  ['error_rate > 0.05', {}, undefined, null],
  ['!(error_rate > 0.05)', {}, undefined, null],
  ['requests > 100', { requests: 101 }, true, 101],
  ['requests * 2 > 100 + requests', { requests: 101 }, true, 101],
  ['requests == 0 || errors / 2 >= 1', { requests: 3, errors: 2 }, true, 3],
  ['error_rate > threshold.error_rate && requests >= 10', { error_rate: 0.5, requests: 9 }, false, 0.5],
  // Of two alternatives one may be without a value.
  ['error_rate > 0.5 || seconds_since_seen > 300', { seconds_since_seen: 301 }, true, 301],
  ['error_rate > 0.5 || seconds_since_seen > 300', { seconds_since_seen: 299 }, undefined, 299],
  ['error_rate > 0.5 && seconds_since_seen > 300', { seconds_since_seen: 299 }, false, 299],
  ['events["user_login"] > 10', { events: new Map([['user_login', 11]]) }, true, 11],
  ['p95_response_time > threshold.response_time', { p95_response_time: 2_001 }, true, 2_001],
  ['requests > 0 && 100 < avg_response_time', { requests: 1, avg_response_time: 150 }, true, 1],
];
for (const [text, values, holds, value] of CASES) {
  test(`${text} of ${JSON.stringify({ ...values, events: [...(values.events ?? [])] })} is ${holds}`, () => {
    const context = { ...NONE, ...values };
    const condition = parse(text);
    assert.is(condition.holds(context), holds);
    assert.is(condition.value(context), value);
  });
}

const REFUSED: readonly [text: string, detail: RegExp][] = [
  ['eror_rate > 0.05', /Unknown variable: eror_rate; did you mean error_rate\?/],
  ['latency_of_everything > 1', /Unknown variable.*known are error_rate/],
  ['error_rate', /must be true or false, and is double/],
  ['error_rate > "high"', /no such overload/],
  ['requests >', /Unexpected/],
  ['', /./],
  ['threshold.cpu > 1.0', /No such key: cpu/],
  [`${'(requests > 1 || '.repeat(40)}errors > 1${')'.repeat(40)}`, /depth/i],
  [`requests > 1${' || requests > 1'.repeat(200)}`, /characters/],
  ['[1,2,3,4].map(x, x * 2).size() > requests.foo', /./],
];
for (const [text, detail] of REFUSED) {
  test(`${text.slice(0, 60)} is refused`, () => {
    const outcome = parseCondition(text);
    assert.not(outcome.ok);
    if (!outcome.ok) assert.match(outcome.detail, detail);
  });
}

test.run();
