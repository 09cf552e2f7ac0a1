import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { clockFieldsOf } from '../../../src/http/dashboard-clock.js';
import { namesTag, stateOf, strongTag, weakTag } from '../../../src/http/entity-tag.js';
import { DASHBOARD } from '../../../src/http/openapi/examples.js';
import type { Dashboard } from '../../../src/queries/dashboard.js';
import type { DashboardComparison } from '../../../src/queries/dashboard-comparison.js';

const test = suite('Entity tags');
const state = (value: unknown): string => stateOf(JSON.stringify(value));

const SAME: [what: string, a: unknown, b: unknown][] = [
  ['the time of answering', { generated_at: '2026-01-01T00:00:00.000Z' }, { generated_at: '2026-01-02T00:00:00.000Z' }],
  ['rates', { api: { request_rate: 1.5e-7, n: 1 } }, { api: { request_rate: 12, n: 1 } }],
  ['a rate that is not known', { a: [{ request_rate: null }] }, { a: [{ request_rate: -0.25 }] }],
];
for (const [what, a, b] of SAME) {
  test(`${what} changes no state`, () => assert.is(state(a), state(b)));
}

const OTHER: [what: string, a: unknown, b: unknown][] = [
  ['a count', { requests: 1, request_rate: 1 }, { requests: 2, request_rate: 1 }],
  ['a series by that name', { request_rate: [{ t: 'a', value: 1 }] }, { request_rate: [{ t: 'a', value: 2 }] }],
  [
    "a publisher's name that looks like a field",
    { features: [{ feature: 'x"request_rate":1' }] },
    { features: [{ feature: 'x"request_rate":2' }] },
  ],
  ['a name that ends in a backslash', { 'a\\"request_rate': 1 }, { 'a\\"request_rate': 2 }],
  ['a reason of another kind', { reasons: ['error rate 0.1'] }, { reasons: ['error rate 0.2'] }],
];
for (const [what, a, b] of OTHER) {
  test(`${what} makes another state`, () => assert.is.not(state(a), state(b)));
}

const dashboardState = (dashboard: Dashboard): string => stateOf(JSON.stringify(dashboard), clockFieldsOf(dashboard));
const withRate = (value: number): Dashboard => ({
  ...DASHBOARD,
  series: { ...DASHBOARD.series, request_rate: [{ t: DASHBOARD.from, value }] },
});
const comparedTo = (to: string, from = DASHBOARD.from): Dashboard => ({
  ...DASHBOARD,
  comparison: { from, to, numbers: {} as DashboardComparison['numbers'] },
});

test("a dashboard's state is the same while only its running interval gets longer", () => {
  assert.is(dashboardState(withRate(1)), dashboardState(withRate(2)));
  assert.is(
    dashboardState(comparedTo('2026-01-01T00:00:00.001Z')),
    dashboardState(comparedTo('2026-01-01T00:00:00.002Z')),
  );
  assert.is.not(dashboardState(comparedTo('', 'a')), dashboardState(comparedTo('', 'b')));
  assert.is.not(dashboardState(DASHBOARD), dashboardState({ ...DASHBOARD, to: DASHBOARD.from }));
});

const TAG = strongTag('bytes');
const NAMED: [header: string | undefined, expected: boolean][] = [
  [undefined, false],
  ['', false],
  ['*', true],
  [' * ', true],
  [TAG, true],
  [weakTag('x'), false],
  [`W/${TAG}`, true],
  [`"a,b", W/"c" ,${TAG}`, true],
  [TAG.slice(1, -1), false],
  [`${'"x",'.repeat(1_100)}${TAG}`, false],
];
for (const [header, expected] of NAMED) {
  test(`If-None-Match: ${header?.slice(0, 40)} ${expected ? 'names' : 'does not name'} the tag`, () => {
    assert.is(namesTag(header, TAG), expected);
  });
}

test('a weak tag is named by its strong form, too', () => {
  assert.is(namesTag('"x"', weakTag('x')), true);
});

test.run();
