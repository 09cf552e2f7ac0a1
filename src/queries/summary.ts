import { percentileMs } from '../store/latency-buckets.js';
import type { ActiveUsers, CountsSource, RequestCounts, WindowCounts } from './aggregates.js';
import type { ServicesHealth } from './services-health.js';
import { passedSeconds, type WindowBounds } from './windows.js';

/** Gives the alerts that fire now. The composition passes it: queries and alerts never import one another. */
export type FiringAlertsReader = () => Promise<readonly FiringAlert[]>;

/** An alert that fires now. */
export interface FiringAlert {
  readonly name: string;
  readonly severity: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly starts_at: string;
}

/** Answer of `GET /metrics/summary`; every field is always there, `null` where nothing is known. */
export interface Summary {
  readonly generated_at: string;
  readonly window_seconds: number;
  readonly source: CountsSource['name'];
  readonly degraded: boolean;
  readonly users: {
    readonly active: ActiveUsers;
    readonly registrations: number;
    readonly logins: number;
    readonly logins_per_active_user: number | null;
    readonly features: readonly { readonly feature: string; readonly uses: number; readonly users: number }[];
    readonly avg_session_seconds: number | null;
  };
  readonly api: {
    readonly requests: number;
    readonly errors: number;
    readonly error_rate: number | null;
    readonly request_rate: number;
    readonly avg_response_time_ms: number | null;
    readonly p50_response_time_ms: number | null;
    readonly p95_response_time_ms: number | null;
    readonly p99_response_time_ms: number | null;
    readonly request_bytes: number;
    readonly response_bytes: number;
    readonly status_codes: Readonly<Record<string, number>>;
  };
  readonly system: {
    readonly services: number;
    readonly healthy: number;
    readonly degraded: number;
    readonly down: number;
  };
  readonly business: {
    readonly appointments_created: number;
    readonly notifications_sent: number;
    readonly device_registrations: number;
    /** Distinct users with a patient event. */
    readonly patient_engagement: number;
    readonly patient_events_per_user: number | null;
  };
  readonly alerts: { readonly firing: readonly FiringAlert[] };
}

export interface SummaryInput {
  readonly counts: WindowCounts;
  readonly activeUsers: ActiveUsers;
  readonly services: ServicesHealth;
  readonly bounds: WindowBounds;
  readonly averageSessionSeconds: number | null;
  readonly firing: readonly FiringAlert[];
  readonly source: CountsSource['name'];
  /** Redis could not be asked. */
  readonly degraded: boolean;
  readonly nowMs: number;
}

/** Makes the answer of plain counts; the same for both sources. */
export function shapeSummary(input: SummaryInput): Summary {
  const { counts, activeUsers, services, bounds, source } = input;
  const withStatus = (status: string): number =>
    services.services.filter((service) => service.status === status).length;
  return {
    generated_at: new Date(input.nowMs).toISOString(),
    window_seconds: bounds.seconds,
    source,
    degraded: input.degraded,
    users: {
      active: activeUsers,
      registrations: counts.registrations,
      logins: counts.logins,
      logins_per_active_user: ratio(counts.logins, counts.loginUsers),
      features: counts.features,
      avg_session_seconds: input.averageSessionSeconds,
    },
    api: {
      requests: counts.requests,
      errors: counts.errors,
      error_rate: ratio(counts.errors, counts.requests),
      request_rate: counts.requests / passedSeconds(bounds, input.nowMs),
      ...responseTimes(counts),
      request_bytes: counts.requestBytes,
      response_bytes: counts.responseBytes,
      status_codes: Object.fromEntries([...counts.statusCodes].sort(([a], [b]) => a - b)),
    },
    system: {
      services: services.services.length,
      healthy: withStatus('healthy'),
      degraded: withStatus('degraded'),
      down: withStatus('down'),
    },
    business: {
      appointments_created: counts.appointmentsCreated,
      notifications_sent: counts.notificationsSent,
      device_registrations: counts.deviceRegistrations,
      patient_engagement: counts.patientUsers,
      patient_events_per_user: ratio(counts.patientEvents, counts.patientUsers),
    },
    alerts: { firing: input.firing },
  };
}

/** Mean (exact) and percentiles (from buckets) of response times, in milliseconds. */
export function responseTimes(
  counts: RequestCounts,
): Pick<
  Summary['api'],
  'avg_response_time_ms' | 'p50_response_time_ms' | 'p95_response_time_ms' | 'p99_response_time_ms'
> {
  const average = ratio(counts.responseTimeUs, counts.timedRequests);
  return {
    avg_response_time_ms: average === null ? null : average / 1000,
    p50_response_time_ms: percentileMs(counts.latency, 0.5),
    p95_response_time_ms: percentileMs(counts.latency, 0.95),
    p99_response_time_ms: percentileMs(counts.latency, 0.99),
  };
}

/** a / b, or null where there is nothing to divide by. */
export function ratio(a: number, b: number): number | null {
  return b === 0 ? null : a / b;
}
