import { percentile, percentilesMs } from '../store/log-buckets.js';
import type { SessionLengths } from '../store/session-lengths.js';
import { DAY_S } from '../store/summary-schema.js';
import type { ActiveUsers, CountsSource, LatencyCounts, RequestCounts, WindowCounts } from './aggregates.js';
import type { ServicesHealth } from './services-health.js';
import { passedSeconds, type WindowBounds } from './windows.js';

/** Gives the alerts that fire now. The composition passes it: queries and alerts never import one another. */
export type FiringAlertsReader = () => Promise<readonly FiringAlert[]>;

/** An alert that fires now. */
export interface FiringAlert {
  readonly name: string;
  readonly severity: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Null where the condition has none. */
  readonly value: number | null;
  readonly starts_at: string;
}

/** Numbers of requests: of the platform, of one service or of one endpoint. Bytes are of the requests that say so. */
export interface ApiNumbers {
  readonly requests: number;
  readonly errors: number;
  readonly error_rate: number | null;
  readonly avg_response_time_ms: number | null;
  readonly p50_response_time_ms: number | null;
  readonly p95_response_time_ms: number | null;
  readonly p99_response_time_ms: number | null;
  readonly max_response_time_ms: number | null;
  readonly request_bytes: number;
  readonly avg_request_bytes: number | null;
  readonly p95_request_bytes: number | null;
  readonly response_bytes: number;
  readonly avg_response_bytes: number | null;
  readonly p95_response_bytes: number | null;
  readonly status_codes: Readonly<Record<string, number>>;
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
    readonly logins_per_active_user_and_day: number | null;
    readonly features: readonly { readonly feature: string; readonly uses: number; readonly users: number }[];
    /** Null where they could not be counted in time. */
    readonly sessions: number | null;
    readonly avg_session_seconds: number | null;
    readonly p50_session_seconds: number | null;
    readonly p95_session_seconds: number | null;
  };
  readonly api: ApiNumbers & { readonly request_rate: number };
  readonly system: {
    readonly services: number;
    readonly healthy: number;
    readonly degraded: number;
    readonly down: number;
    readonly unknown: number;
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
  /** Null where they could not be counted in time. */
  readonly sessions: SessionLengths | null;
  readonly firing: readonly FiringAlert[];
  readonly source: CountsSource['name'];
  /** Redis could not be asked. */
  readonly degraded: boolean;
  readonly nowMs: number;
}

/** Makes the answer of plain counts; the same for both sources. */
export function shapeSummary(input: SummaryInput): Summary {
  const { counts, activeUsers, services, bounds, source, sessions } = input;
  const loginsPerUser = ratio(counts.logins, counts.loginUsers);
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
      logins_per_active_user: loginsPerUser,
      logins_per_active_user_and_day: loginsPerUser === null ? null : (loginsPerUser * DAY_S) / bounds.seconds,
      features: counts.features,
      sessions: sessions?.sessions ?? null,
      avg_session_seconds: sessions?.averageSeconds ?? null,
      p50_session_seconds: sessions?.p50Seconds ?? null,
      p95_session_seconds: sessions?.p95Seconds ?? null,
    },
    api: { ...apiNumbers(counts), request_rate: counts.requests / passedSeconds(bounds, input.nowMs) },
    system: {
      services: services.services.length,
      healthy: withStatus('healthy'),
      degraded: withStatus('degraded'),
      down: withStatus('down'),
      unknown: withStatus('unknown'),
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

/** Counts, sums, means and maxima are exact; percentiles come from buckets (src/store/log-buckets.ts). */
export function apiNumbers(counts: RequestCounts): ApiNumbers {
  const averageUs = ratio(counts.responseTimeUs, counts.timedRequests);
  const [p50 = null, p95 = null, p99 = null] = responsePercentilesMs(counts, [0.5, 0.95, 0.99]);
  return {
    requests: counts.requests,
    errors: counts.errors,
    error_rate: ratio(counts.errors, counts.requests),
    avg_response_time_ms: averageUs === null ? null : averageUs / 1000,
    p50_response_time_ms: p50,
    p95_response_time_ms: p95,
    p99_response_time_ms: p99,
    max_response_time_ms: counts.timedRequests === 0 ? null : counts.maxResponseTimeUs / 1000,
    request_bytes: counts.requestBytes,
    avg_request_bytes: ratio(counts.requestBytes, totalOf(counts.requestSizes)),
    p95_request_bytes: percentile(counts.requestSizes, 0.95),
    response_bytes: counts.responseBytes,
    avg_response_bytes: ratio(counts.responseBytes, totalOf(counts.responseSizes)),
    p95_response_bytes: percentile(counts.responseSizes, 0.95),
    status_codes: Object.fromEntries([...counts.statusCodes].sort(([a], [b]) => a - b)),
  };
}

/** From buckets, and so up to 2 % away; but none is larger than the largest, which is known exactly. */
export function responsePercentileMs(counts: LatencyCounts, q: number): number | null {
  return responsePercentilesMs(counts, [q])[0] ?? null;
}

/** Several at once, in ascending order. */
export function responsePercentilesMs(
  { latency, maxResponseTimeUs }: LatencyCounts,
  qs: readonly number[],
): (number | null)[] {
  return percentilesMs(latency, qs).map((ms) => (ms === null ? null : Math.min(ms, maxResponseTimeUs / 1000)));
}

/** Every size is in one bucket, so the buckets know how many there are. */
function totalOf(buckets: ReadonlyMap<number, number>): number {
  let total = 0;
  for (const count of buckets.values()) total += count;
  return total;
}

/** a / b, or null where there is nothing to divide by. */
export function ratio(a: number, b: number): number | null {
  return b === 0 ? null : a / b;
}
