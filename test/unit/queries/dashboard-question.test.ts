import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { comparePeriods, type PeriodCounts, previousPeriod } from '../../../src/queries/dashboard-comparison.js';
import { type DashboardParameters, parseDashboardQuestion } from '../../../src/queries/dashboard-question.js';
import { RequestSums } from '../../../src/queries/request-sums.js';

const NOW = Date.parse('2026-11-24T12:34:56.789Z');
const DAY_MS = 86_400_000;
const test = suite('the question of a dashboard');

test('filters and comparison are read beside the range', () => {
  const outcome = parseDashboardQuestion(
    { from: '-1h', service: 'web', event_type: 'user_login', endpoint: '/users/:id', compare: 'previous' },
    NOW,
    90,
  );
  assert.ok(outcome.ok);
  if (!outcome.ok) return;
  assert.equal(outcome.value.filters, { service: 'web', eventType: 'user_login', endpoint: '/users/:id' });
  assert.is(outcome.value.compare, true);
});

test('a path stands for its route', () => {
  const outcome = parseDashboardQuestion({ endpoint: '/users/42?token=secret' }, NOW, 90);
  assert.ok(outcome.ok && outcome.value.filters.endpoint === '/users/:id');
});

const REFUSED: readonly [DashboardParameters, pointers: string[]][] = [
  [{ service: '' }, ['service']],
  [{ service: 'a b' }, ['service']],
  [{ event_type: "x'; drop table user_events; --" }, ['event_type']],
  [{ service: 'x'.repeat(101) }, ['service']],
  [{ endpoint: '' }, ['endpoint']],
  [{ endpoint: '/\0' }, ['endpoint']],
  [{ endpoint: `/${'x'.repeat(255)}` }, ['endpoint']],
  [{ compare: 'last_year' }, ['compare']],
  [{ from: 'tomorrow', compare: '' }, ['from', 'compare']],
  [{ from: '-60d', compare: 'previous' }, ['compare']],
];
for (const [parameters, pointers] of REFUSED) {
  test(`${JSON.stringify(parameters).slice(0, 80)} is refused`, () => {
    const outcome = parseDashboardQuestion(parameters, NOW, 90);
    assert.equal(outcome.ok ? [] : outcome.problems.map(({ pointer }) => pointer), pointers);
  });
}

test('the period before a range that is over is as long as it', () => {
  const range = { fromMs: NOW - 3 * DAY_MS, toMs: NOW - DAY_MS };
  assert.equal(previousPeriod(range, NOW), { fromMs: NOW - 5 * DAY_MS, toMs: NOW - 3 * DAY_MS });
});

test('of a range that goes on, as many whole minutes of the period before are compared as have passed', () => {
  const range = { fromMs: NOW - DAY_MS / 4, toMs: NOW + (DAY_MS * 3) / 4 };
  const wanted = { fromMs: range.fromMs - DAY_MS, toMs: NOW - (NOW % 60_000) - DAY_MS };
  assert.equal(previousPeriod(range, NOW), wanted);
  assert.equal(previousPeriod(range, NOW - (NOW % 60_000) + 59_999), wanted);
});

function period(requests: number, logins: number): PeriodCounts {
  return {
    counts: Object.assign(new RequestSums(), {
      requests,
      registrations: 0,
      logins,
      appointmentsCreated: 0,
      notificationsSent: 0,
      deviceRegistrations: 0,
      patientEvents: 0,
      loginUsers: logins,
      patientUsers: 0,
      features: [],
    }),
    sessions: { sessions: 0, averageSeconds: null, p50Seconds: null, p95Seconds: null },
  };
}

test('a change is a share of what was before, and unknown where that is nothing', () => {
  const { numbers, from, to } = comparePeriods(period(150, 3), period(100, 0), { fromMs: 0, toMs: DAY_MS });
  assert.equal([from, to], ['1970-01-01T00:00:00.000Z', '1970-01-02T00:00:00.000Z']);
  assert.equal(numbers.requests, { current: 150, previous: 100, change: 0.5 });
  assert.equal(numbers.logins, { current: 3, previous: 0, change: null });
  assert.equal(numbers.logins_per_active_user, { current: 1, previous: null, change: null });
});

test.run();
