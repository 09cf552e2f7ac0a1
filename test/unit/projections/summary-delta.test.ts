import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import '../../support/seed.js';
import type { Fact } from '../../../src/projections/facts.js';
import { featureOf, microseconds } from '../../../src/projections/facts.js';
import { SeriesRegistry } from '../../../src/projections/series-registry.js';
import { foldDelta, histogramBucket, type SummaryDelta } from '../../../src/projections/summary-delta.js';
import { bucketOf } from '../../../src/store/log-buckets.js';
import { PART, SERIES_LIMITS } from '../../../src/store/summary-schema.js';
import { BUSINESS } from '../../support/events.js';
import { NOON_MS } from '../../support/messages.js';
import { same } from '../../support/same.js';

const test = suite('summary delta');
type Placed = { readonly fact: Fact; readonly sequence: number };
const NOON = String(NOON_MS / 1000);

const fold = (facts: readonly Placed[], registry = new SeriesRegistry([])): SummaryDelta =>
  foldDelta(facts, registry, BUSINESS);
/** Without the missing prototypes, so that records compare as JSON does. */
const plain = (delta: SummaryDelta): unknown => JSON.parse(JSON.stringify(delta));

const API: Fact = {
  kind: 'api',
  timeMs: NOON_MS + 59_999,
  serviceName: 'web',
  method: 'GET',
  route: '/users/:id',
  statusCode: 503,
  responseTimeUs: 7_000,
  requestBytes: 10,
  responseBytes: null,
};
const LOGIN: Fact = { kind: 'user', timeMs: NOON_MS, eventType: 'user_login', userId: 5, feature: null };
const GAUGE: Fact = {
  kind: 'system',
  timeMs: NOON_MS,
  sequence: 1,
  serviceName: 'db',
  metricName: 'cpu_usage',
  value: 7.5,
};
const EMPTY = {
  minutes: {},
  services: {},
  maxima: {},
  serviceMaxima: {},
  http: {},
  duration: {},
  events: {},
  gauges: {},
  seen: {},
  users: {},
};

const TABLE: readonly { given: string; facts: readonly Fact[]; expected: object }[] = [
  { given: 'nothing', facts: [], expected: EMPTY },
  {
    given: 'a request that failed',
    facts: [API],
    expected: {
      ...EMPTY,
      minutes: {
        [NOON]: {
          req: 1,
          err: 1,
          rqb: 10,
          [`rqs:${bucketOf(10)}`]: 1,
          'st:503': 1,
          rt_n: 1,
          rt_us: 7_000,
          [`lat:${bucketOf(7_000)}`]: 1,
        },
      },
      services: {
        [NOON]: { web: { req: 1, err: 1, rt_n: 1, rt_us: 7_000, [`lat:${bucketOf(7_000)}`]: 1 } },
      },
      maxima: { [NOON]: { 'max:rt': 7_000 } },
      serviceMaxima: { [NOON]: { web: { 'max:rt': 7_000 } } },
      http: { 'web\tGET\t/users/:id': { 503: 1 } },
      duration: { 'web\tGET\t/users/:id': { 1: 1, sum: 7_000 } },
      seen: { web: NOON_MS + 59_999 },
    },
  },
  {
    given: 'a request without sizes and time, by a method that nobody knows',
    facts: [{ ...API, statusCode: 200, method: 'BREW', responseTimeUs: null, requestBytes: null }],
    expected: {
      ...EMPTY,
      minutes: { [NOON]: { req: 1, 'st:200': 1 } },
      services: { [NOON]: { web: { req: 1 } } },
      http: { 'web\tOTHER\t/users/:id': { 200: 1 } },
      seen: { web: NOON_MS + 59_999 },
    },
  },
  {
    given: 'two logins of a user, and one without a user',
    facts: [LOGIN, { ...LOGIN, timeMs: NOON_MS + 5 }, { ...LOGIN, userId: null }],
    expected: {
      ...EMPTY,
      minutes: { [NOON]: { 'ev:user_login': 3 } },
      events: { user_login: 3 },
      users: { login: { 5: NOON_MS + 5 } },
    },
  },
  {
    given: 'a feature that was used',
    facts: [{ ...LOGIN, eventType: 'feature_used', feature: 'reports' }],
    expected: {
      ...EMPTY,
      minutes: { [NOON]: { 'ev:feature_used': 1, 'ft:reports': 1 } },
      events: { feature_used: 1 },
      users: { 'feature:reports': { 5: NOON_MS } },
    },
  },
  {
    given: 'an event of a patient, and an appointment',
    facts: [
      { ...LOGIN, eventType: 'patient_visit' },
      { ...LOGIN, eventType: 'appointment_created' },
    ],
    expected: {
      ...EMPTY,
      minutes: {
        [NOON]: {
          'ev:patient_visit': 1,
          'ev:appointment_created': 1,
          'biz:patient_events': 1,
          'biz:appointments_created': 1,
        },
      },
      events: { patient_visit: 1, appointment_created: 1 },
      users: { patient: { 5: NOON_MS } },
    },
  },
  {
    given: 'measurements out of order',
    facts: [
      { ...GAUGE, timeMs: NOON_MS + 10, sequence: 1 },
      { ...GAUGE, sequence: 2, value: 1 },
    ],
    expected: { ...EMPTY, gauges: { 'db\tcpu_usage': [NOON_MS + 10, 1, 7.5] }, seen: { db: NOON_MS + 10 } },
  },
  {
    given: 'two measurements of one time',
    facts: [
      { ...GAUGE, sequence: 2, value: 2 },
      { ...GAUGE, sequence: 1, value: 1 },
    ],
    expected: { ...EMPTY, gauges: { 'db\tcpu_usage': [NOON_MS, 2, 2] }, seen: { db: NOON_MS } },
  },
];
for (const { given, facts, expected } of TABLE) {
  test(`${given} gives its delta`, () => {
    assert.equal(plain(fold(facts.map((fact, index) => ({ fact, sequence: index + 1 })))), expected);
  });
}

const timeMs = fc.integer({ min: NOON_MS - 300_000, max: NOON_MS });
const name = fc.constantFrom('web', 'db', '__proto__', 'constructor');
const fact: fc.Arbitrary<Fact> = fc.oneof(
  fc.record({
    kind: fc.constant('api' as const),
    timeMs,
    serviceName: name,
    method: fc.constantFrom('GET', 'POST', 'X'),
    route: fc.constantFrom('/', '/a', '/b'),
    statusCode: fc.integer({ min: 100, max: 599 }),
    responseTimeUs: fc.option(fc.integer({ min: 0, max: 2_147_483_647_000 })),
    requestBytes: fc.option(fc.integer({ min: 0, max: 2 ** 40 })),
    responseBytes: fc.option(fc.integer({ min: 0, max: 2 ** 40 })),
  }),
  fc.record({
    kind: fc.constant('user' as const),
    timeMs,
    eventType: fc.constantFrom('user_login', 'feature_used', 'patient_x', '__proto__'),
    userId: fc.option(fc.integer({ min: -3, max: 9 })),
    feature: fc.option(fc.constantFrom('a', 'toString')),
  }),
  fc.record({
    kind: fc.constant('system' as const),
    timeMs,
    sequence: fc.nat(),
    serviceName: name,
    metricName: fc.constantFrom('cpu_usage', 'm'),
    value: fc.double({ noNaN: true, noDefaultInfinity: true }),
  }),
);
const log = fc.array(fact, { maxLength: 60 }).map((facts): Placed[] =>
  facts.map((each, index) => ({
    fact: each.kind === 'system' ? { ...each, sequence: index } : each,
    sequence: index,
  })),
);

test('folding the same events again gives the same', () => {
  fc.assert(fc.property(log, (facts) => same(plain(fold(facts)), plain(fold(facts)))));
});

test('folding again with the series that the first fold admitted admits no other and gives the same', () => {
  fc.assert(
    fc.property(log, (facts) => {
      const registry = new SeriesRegistry([]);
      const first = plain(fold(facts, registry));
      registry.takeFresh();
      same(plain(fold(facts, registry)), first);
      assert.equal(registry.takeFresh(), []);
    }),
  );
});

test('how events are grouped to deltas does not matter', () => {
  fc.assert(
    fc.property(log, fc.nat(60), fc.nat(60), (facts, a, b) => {
      const cuts = [Math.min(a, b), Math.max(a, b)];
      const registry = new SeriesRegistry([]);
      const parts = [facts.slice(0, cuts[0]), facts.slice(cuts[0], cuts[1]), facts.slice(cuts[1])];
      const merged = parts.map((part) => plain(fold(part, registry)) as Tree).reduce(merge);
      same(merged, plain(fold(facts)));
    }),
  );
});

type Tree = { [key: string]: Tree | number | number[] };

const LARGER_STAYS = ['seen', 'users', 'maxima', 'serviceMaxima'];

/** What Redis does with two deltas: counts add up, of two times or maxima the larger stays, of two measurements the later. */
function merge(left: Tree, right: Tree): Tree {
  return mergeBelow(left, right, '');
}
function mergeBelow(left: Tree, right: Tree, path: string): Tree {
  const merged = new Map(Object.entries(left));
  for (const [key, value] of Object.entries(right)) merged.set(key, mergeValue(merged.get(key), value, path || key));
  return Object.fromEntries(merged);
}
function mergeValue(
  a: Tree | number | number[] | undefined,
  b: Tree | number | number[],
  section: string,
): Tree | number | number[] {
  if (a === undefined) return b;
  if (Array.isArray(a) && Array.isArray(b)) {
    const [[timeA = 0, sequenceA = 0], [timeB = 0, sequenceB = 0]] = [a, b];
    return timeB > timeA || (timeB === timeA && sequenceB > sequenceA) ? b : a;
  }
  if (typeof a === 'number' && typeof b === 'number') return LARGER_STAYS.includes(section) ? Math.max(a, b) : a + b;
  if (typeof a === 'object' && typeof b === 'object' && !Array.isArray(a) && !Array.isArray(b))
    return mergeBelow(a, b, section);
  throw new Error('two deltas differ in shape');
}

test('the maximum of a minute is the largest time of its requests, in whatever order they come', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat()), { minLength: 1 }), (times) => {
      const delta = fold(times.map((responseTimeUs, sequence) => ({ fact: { ...API, responseTimeUs }, sequence })));
      const timed = times.filter((time) => time !== null);
      const wanted = timed.length === 0 ? undefined : Math.max(...timed);
      assert.is(delta.maxima[NOON]?.['max:rt'], wanted);
      assert.is(delta.serviceMaxima[NOON]?.web?.['max:rt'], wanted);
    }),
  );
});

test('past the limit of endpoints a request counts as other, and its totals stay', () => {
  const requests = Array.from({ length: SERIES_LIMITS.http_route + 5 }, (_, index) => ({
    fact: { ...API, route: `/r${index}` },
    sequence: index,
  }));
  const delta = fold(requests);
  assert.is(delta.http[['web', 'GET', 'other'].join(PART)]?.[503], 5);
  assert.is(delta.minutes[NOON]?.req, SERIES_LIMITS.http_route + 5);
});

const BUCKETS: readonly [us: number, bucket: number][] = [
  [0, 0],
  [5_000, 0],
  [5_001, 1],
  [10_000_000, 10],
  [10_000_001, 11],
];
for (const [us, bucket] of BUCKETS) {
  test(`${us} microseconds fall into the histogram's bucket ${bucket}`, () => assert.is(histogramBucket(us), bucket));
}

const FEATURES: readonly [type: string, metadata: Record<string, unknown> | null, feature: string | null][] = [
  ['feature_used', { feature: 'a' }, 'a'],
  ['feature_used', { feature: '' }, null],
  ['feature_used', { feature: 5 }, null],
  ['feature_used', { feature: 'x'.repeat(101) }, null],
  ['feature_used', null, null],
  ['user_login', { feature: 'a' }, null],
];
for (const [type, metadata, feature] of FEATURES) {
  test(`${type} with ${JSON.stringify(metadata)?.slice(0, 30)} names ${feature === null ? 'no feature' : feature}`, () => {
    assert.is(featureOf(type, metadata), feature);
  });
}

test('milliseconds become whole microseconds', () => {
  assert.equal([0, 0.0004, 1.2345, 2_147_483_647].map(microseconds), [0, 0, 1_235, 2_147_483_647_000]);
});

test.run();
