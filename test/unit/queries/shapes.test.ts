import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ServiceCounts, WindowCounts } from '../../../src/queries/aggregates.js';
import { DashboardAxis } from '../../../src/queries/dashboard-axis.js';
import { healthBounds, shapeServicesHealth } from '../../../src/queries/services-health.js';
import { shapeSummary } from '../../../src/queries/summary.js';
import { bucketOf } from '../../../src/store/log-buckets.js';

const NOW = Date.parse('2026-11-24T12:34:56.000Z');
const LIMITS = { errorRate: 0.05, responseTimeMs: 2_000, intervalSeconds: 300 };
const BOUNDS = healthBounds(LIMITS, NOW);

const NO_REQUESTS = {
  requests: 0,
  errors: 0,
  timedRequests: 0,
  responseTimeUs: 0,
  maxResponseTimeUs: 0,
  latency: new Map<number, number>(),
};
const NO_COUNTS: WindowCounts = {
  ...NO_REQUESTS,
  requestBytes: 0,
  responseBytes: 0,
  requestSizes: new Map(),
  responseSizes: new Map(),
  statusCodes: new Map(),
  registrations: 0,
  logins: 0,
  appointmentsCreated: 0,
  notificationsSent: 0,
  deviceRegistrations: 0,
  patientEvents: 0,
  loginUsers: 0,
  patientUsers: 0,
  features: [],
};

function service(given: Partial<ServiceCounts>): ServiceCounts {
  return { serviceName: 'web', lastSeenMs: NOW, gauges: new Map(), ...NO_REQUESTS, ...given };
}

function summaryOf(counts: WindowCounts) {
  return shapeSummary({
    counts,
    activeUsers: { daily: 1, weekly: 2, monthly: 3 },
    services: shapeServicesHealth([], BOUNDS, LIMITS, NOW),
    bounds: { seconds: 86_400, fromS: 0 },
    sessions: null,
    firing: [],
    source: 'redis',
    degraded: false,
    nowMs: NOW,
  });
}

const test = suite('shapes of answers');

test('a summary of nothing has every field, null where nothing is known', () => {
  assert.equal(summaryOf(NO_COUNTS), {
    generated_at: '2026-11-24T12:34:56.000Z',
    window_seconds: 86_400,
    source: 'redis',
    degraded: false,
    users: {
      active: { daily: 1, weekly: 2, monthly: 3 },
      registrations: 0,
      logins: 0,
      logins_per_active_user: null,
      logins_per_active_user_and_day: null,
      features: [],
      sessions: null,
      avg_session_seconds: null,
      p50_session_seconds: null,
      p95_session_seconds: null,
    },
    api: {
      requests: 0,
      errors: 0,
      error_rate: null,
      request_rate: 0,
      avg_response_time_ms: null,
      p50_response_time_ms: null,
      p95_response_time_ms: null,
      p99_response_time_ms: null,
      max_response_time_ms: null,
      request_bytes: 0,
      avg_request_bytes: null,
      p95_request_bytes: null,
      response_bytes: 0,
      avg_response_bytes: null,
      p95_response_bytes: null,
      status_codes: {},
    },
    system: { services: 0, healthy: 0, degraded: 0, down: 0, unknown: 0 },
    business: {
      appointments_created: 0,
      notifications_sent: 0,
      device_registrations: 0,
      patient_engagement: 0,
      patient_events_per_user: null,
    },
    alerts: { firing: [] },
  });
});

test('rates and means of a summary are quotients of its counts', () => {
  const { users, api, business } = summaryOf({
    ...NO_COUNTS,
    requests: 8,
    errors: 2,
    timedRequests: 4,
    responseTimeUs: 10_000,
    maxResponseTimeUs: 2_600,
    latency: new Map([[bucketOf(2_500), 4]]),
    requestBytes: 900,
    requestSizes: new Map([[bucketOf(300), 3]]),
    statusCodes: new Map([
      [503, 2],
      [200, 6],
    ]),
    logins: 9,
    loginUsers: 3,
    patientEvents: 5,
    patientUsers: 2,
  });
  assert.is(users.logins_per_active_user, 3);
  assert.is(users.logins_per_active_user_and_day, 3);
  assert.equal([api.max_response_time_ms, api.avg_request_bytes, api.avg_response_bytes], [2.6, 300, null]);
  assert.is(business.patient_events_per_user, 2.5);
  assert.equal([api.error_rate, api.request_rate, api.avg_response_time_ms], [0.25, 8 / 86_400, 2.5]);
  assert.ok(Math.abs((api.p95_response_time_ms ?? 0) - 2.5) <= 2.5 * 0.02);
  assert.is(JSON.stringify(api.status_codes), '{"200":6,"503":2}');
});

test('no percentile is above the largest response time', () => {
  const { api } = summaryOf({
    ...NO_COUNTS,
    requests: 1,
    timedRequests: 1,
    responseTimeUs: 59_400,
    maxResponseTimeUs: 59_400,
    latency: new Map([[bucketOf(59_400), 1]]),
  });
  assert.equal([api.p50_response_time_ms, api.p99_response_time_ms], [59.4, 59.4]);
});

const SECOND = 1_000;
for (const [what, given, status, reasons] of [
  ['answers well', { requests: 100, errors: 5 }, 'healthy', []],
  ['has more errors than allowed', { requests: 100, errors: 6 }, 'degraded', ['error rate 0.0600 is above 0.05']],
  [
    'answers too slowly',
    { requests: 1, timedRequests: 1, responseTimeUs: 2_000_100 },
    'degraded',
    ['average response time 2000.1 ms is above 2000 ms'],
  ],
  ['answers just in time', { requests: 1, timedRequests: 1, responseTimeUs: 2_000_000 }, 'healthy', []],
  ['is silent for one interval', { lastSeenMs: NOW - 300 * SECOND }, 'healthy', []],
  [
    'is silent for longer',
    { lastSeenMs: NOW - 301 * SECOND },
    'unknown',
    [`no event since ${new Date(NOW - 301 * SECOND).toISOString()}`],
  ],
  [
    'is silent for less than three intervals',
    { lastSeenMs: NOW - 899 * SECOND },
    'unknown',
    [`no event since ${new Date(NOW - 899 * SECOND).toISOString()}`],
  ],
  [
    'is silent for three intervals',
    { lastSeenMs: NOW - 900 * SECOND },
    'down',
    [`no event since ${new Date(NOW - 900 * SECOND).toISOString()}`],
  ],
  ['has a clock that is ahead', { lastSeenMs: NOW + 300 * SECOND }, 'healthy', []],
] as const) {
  test(`a service that ${what} is ${status}`, () => {
    const [judged] = shapeServicesHealth([service(given)], BOUNDS, LIMITS, NOW).services;
    assert.equal([judged?.status, judged?.reasons], [status, reasons]);
  });
}

const NATS_ONLY = [
  ['nats_instances', 2],
  ['nats_requests', 100],
  ['nats_errors', 5],
  ['nats_average_processing_time', 12.5],
] as const;
const NATS = { instances: 2, requests: 100, errors: 5, average_processing_time_ms: 12.5 };
for (const [what, given, status, sources, reasons, nats] of [
  ['is known by NATS alone', { gauges: new Map(NATS_ONLY) }, 'healthy', ['nats'], [], NATS],
  ['reports as well', { gauges: new Map(NATS_ONLY), requests: 1 }, 'healthy', ['events', 'nats'], [], NATS],
  [
    'has not been asked for anything yet',
    { gauges: new Map([['nats_instances', 1]]) },
    'healthy',
    ['nats'],
    [],
    { instances: 1, requests: 0, errors: 0, average_processing_time_ms: null },
  ],
  [
    'makes too many errors',
    { gauges: new Map([...NATS_ONLY, ['nats_errors', 6] as const]) },
    'degraded',
    ['nats'],
    ['error rate 0.0600 on NATS since its start is above 0.05'],
    { ...NATS, errors: 6 },
  ],
  [
    'takes too long',
    { gauges: new Map([...NATS_ONLY, ['nats_average_processing_time', 2_000.5] as const]) },
    'degraded',
    ['nats'],
    ['average processing time 2000.5 ms on NATS since its start is above 2000 ms'],
    { ...NATS, average_processing_time_ms: 2_000.5 },
  ],
  ['measures only itself', { gauges: new Map([['cpu_usage', 1]]) }, 'healthy', ['events'], [], null],
  ['is silent', { lastSeenMs: NOW - 7_200 * SECOND }, 'down', [], ['no event since 2026-11-24T10:34:56.000Z'], null],
] as const) {
  test(`a service that ${what} is ${status}, from ${sources.join(' and ') || 'nobody'}`, () => {
    const [judged] = shapeServicesHealth([service(given)], BOUNDS, LIMITS, NOW).services;
    assert.equal([judged?.status, judged?.sources, judged?.reasons, judged?.nats], [status, sources, reasons, nats]);
  });
}

test('the platform is as well as its worst service', () => {
  const healthy = service({});
  const down = service({ lastSeenMs: 0 });
  const status = (services: ServiceCounts[]): string => shapeServicesHealth(services, BOUNDS, LIMITS, NOW).status;
  assert.equal([status([]), status([healthy]), status([healthy, down])], ['unknown', 'healthy', 'down']);
});

test('measurements stand in the health of a service, null where it takes none', () => {
  const gauges = new Map([
    ['cpu_usage', 12.5],
    ['db_pool_max', 10],
  ]);
  const [judged] = shapeServicesHealth([service({ gauges })], BOUNDS, LIMITS, NOW).services;
  assert.equal([judged?.cpu_usage, judged?.memory_usage], [12.5, null]);
  assert.equal(judged?.db_pool, { active: null, idle: null, max: 10 });
});

test('a series has a point for every interval, the shorter first and last ones included', () => {
  const axis = new DashboardAxis({ fromMs: NOW, toMs: NOW + 100_000, intervalSeconds: 60 });
  const second = axis.placeOf(Date.parse('2026-11-24T12:35:00.000Z') / 60_000);
  assert.equal(axis.series(new Map([[second, 5]]), 0), [
    { t: '2026-11-24T12:34:56.000Z', value: 0 },
    { t: '2026-11-24T12:35:00.000Z', value: 5 },
    { t: '2026-11-24T12:36:00.000Z', value: 0 },
  ]);
  assert.is(axis.series(new Map(), null)[0]?.value, null);
  assert.equal([axis.passedSeconds(0, NOW + 100_000), axis.passedSeconds(1, NOW + 34_000)], [4, 30]);
});

test.run();
