import type { Dashboard } from '../../queries/dashboard.js';
import type { OperationalStatus } from '../../queries/get-status.js';
import type { ServiceHealth, ServicesHealth } from '../../queries/services-health.js';
import type { ApiNumbers, Summary } from '../../queries/summary.js';
import type { AppendedAnswer, BatchAnswer } from '../event-routes.js';

export const EVENT = { event_type: 'user_login', user_id: 1, metadata: { browser: 'chrome', ip: '192.168.1.1' } };
export const SYSTEM_EVENT = { kind: 'system', service_name: 'billing', metric_name: 'cpu_usage', value: 12.5 };
export const API_EVENT = {
  kind: 'api',
  service_name: 'billing',
  endpoint: '/pay',
  method: 'POST',
  status_code: 201,
  response_time_ms: 3.2,
};
export const CLOUD_EVENT = {
  specversion: '1.0',
  id: 'login-1',
  source: '/web',
  type: 'metrics.user.user_login.v1',
  time: '2026-11-24T12:00:00.000Z',
  data: { user_id: 1 },
};

export const APPENDED: AppendedAnswer = { id: 'login-1', stream: 'METRICS', sequence: 42, duplicate: false };
export const BATCH: BatchAnswer = {
  accepted: 1,
  duplicates: 0,
  rejected: [{ index: 1, reason: 'invalid_fields', errors: [{ pointer: '/event_type', detail: 'is required' }] }],
};

const GENERATED_AT = '2026-11-24T12:00:00.000Z';

const API: ApiNumbers = {
  requests: 1_200,
  errors: 6,
  error_rate: 0.005,
  avg_response_time_ms: 48.2,
  p50_response_time_ms: 31.1,
  p95_response_time_ms: 140.3,
  p99_response_time_ms: 310.7,
  max_response_time_ms: 912.4,
  request_bytes: 240_000,
  avg_request_bytes: 200,
  p95_request_bytes: 1_016,
  response_bytes: 4_800_000,
  avg_response_bytes: 4_000,
  p95_response_bytes: 16_250,
  status_codes: { '200': 1_100, '201': 94, '503': 6 },
};

export const SUMMARY: Summary = {
  generated_at: GENERATED_AT,
  window_seconds: 86_400,
  source: 'redis',
  degraded: false,
  users: {
    active: { daily: 310, weekly: 1_240, monthly: 2_900 },
    registrations: 12,
    logins: 480,
    logins_per_active_user: 1.5,
    logins_per_active_user_and_day: 1.5,
    features: [{ feature: 'calendar', uses: 96, users: 71 }],
    sessions: 350,
    avg_session_seconds: 612.5,
    p50_session_seconds: 420,
    p95_session_seconds: 2_310,
  },
  api: { ...API, request_rate: 0.0139 },
  system: { services: 6, healthy: 5, degraded: 1, down: 0, unknown: 0 },
  business: {
    appointments_created: 41,
    notifications_sent: 320,
    device_registrations: 8,
    patient_engagement: 96,
    patient_events_per_user: 4.1,
  },
  alerts: {
    firing: [
      {
        name: 'high_error_rate',
        severity: 'critical',
        labels: { service_name: 'billing' },
        value: 0.08,
        starts_at: '2026-11-24T11:55:00.000Z',
      },
    ],
  },
};

const SERVICE: ServiceHealth = {
  service_name: 'billing',
  status: 'degraded',
  reasons: ['error rate 0.0800 is above 0.05'],
  sources: ['events'],
  last_seen_at: '2026-11-24T11:59:58.120Z',
  request_rate: 2.4,
  error_rate: 0.08,
  avg_response_time_ms: 52.3,
  p95_response_time_ms: 160.1,
  cpu_usage: 12.5,
  memory_usage: 268_435_456,
  nats: null,
  db_pool: { active: 4, idle: 6, max: 20 },
};

export const SERVICES_HEALTH: ServicesHealth = { status: 'degraded', generated_at: GENERATED_AT, services: [SERVICE] };

const points = (value: number | null) => [{ t: '2026-11-24T11:00:00.000Z', value }];

export const DASHBOARD: Dashboard = {
  from: '2026-11-24T11:00:00.000Z',
  to: GENERATED_AT,
  interval_seconds: 3_600,
  generated_at: GENERATED_AT,
  summary: { ...SUMMARY, window_seconds: 3_600, source: 'postgres' },
  comparison: null,
  services: [SERVICE],
  series: {
    requests: points(1_200),
    errors: points(6),
    request_rate: points(0.33),
    error_rate: points(0.005),
    avg_response_time: points(48.2),
    p50: points(31.1),
    p95: points(140.3),
    p99: points(310.7),
    max: points(912.4),
    request_bytes: points(240_000),
    response_bytes: points(4_800_000),
    active_users: points(310),
    registrations: points(12),
    logins: points(480),
    events_by_type: { user_login: points(480), other: points(31) },
    business: { appointments_created: points(41) },
    cpu_usage: { billing: points(12.5) },
    memory_usage: { billing: points(268_435_456) },
    db_pool_usage: { billing: points(0.2) },
  },
  top: {
    services: [{ ...API, service_name: 'billing' }],
    endpoints: [{ ...API, service_name: 'billing', method: 'POST', endpoint: '/pay/:id' }],
    features: SUMMARY.users.features,
    event_types: [{ event_type: 'user_login', events: 480 }],
  },
  alerts: SUMMARY.alerts.firing,
};

export const STATUS: OperationalStatus = {
  status: 'ok',
  generated_at: GENERATED_AT,
  components: {
    nats: { status: 'up', latency_ms: 1.2 },
    postgres: { status: 'up', latency_ms: 0.9 },
    redis: { status: 'up', latency_ms: 0.4 },
  },
  projections: [
    {
      name: 'tables',
      state: 'running',
      reason: null,
      sequence: 42,
      lag_events: 0,
      lag_seconds: 0,
      events_per_second: 12.5,
      epoch: 1,
      holder: 'metrics-1',
    },
  ],
  streams: [
    { name: 'METRICS', messages: 42, bytes: 9_800, first_sequence: 1, last_sequence: 42, oldest_at: GENERATED_AT },
  ],
};
