import type { Stretch } from '../store/rollups.js';
import type { SessionLengths } from '../store/session-lengths.js';
import type { WindowCounts } from './aggregates.js';
import { apiNumbers, ratio } from './summary.js';

/** A headline number now and in the period before. */
export interface Change {
  readonly current: number | null;
  readonly previous: number | null;
  /** (current - previous) / previous; null where either is unknown, or there was nothing before. */
  readonly change: number | null;
}

const MINUTE_MS = 60_000;

export const HEADLINE_NUMBERS = [
  'requests',
  'errors',
  'error_rate',
  'avg_response_time_ms',
  'p50_response_time_ms',
  'p95_response_time_ms',
  'p99_response_time_ms',
  'request_bytes',
  'response_bytes',
  'active_users',
  'registrations',
  'logins',
  'logins_per_active_user',
  'sessions',
  'avg_session_seconds',
  'appointments_created',
  'notifications_sent',
  'device_registrations',
  'patient_engagement',
  'patient_events_per_user',
] as const;
export type HeadlineNumber = (typeof HEADLINE_NUMBERS)[number];

export interface DashboardComparison {
  readonly from: string;
  readonly to: string;
  readonly numbers: Readonly<Record<HeadlineNumber, Change>>;
}

/** What the headline numbers of a period are made of. */
export interface PeriodCounts {
  readonly counts: WindowCounts;
  readonly sessions: SessionLengths | null;
}

/**
 * The period of the same length that ends where a range begins. Of a range that is not over yet, as much is compared as
 * has passed, in whole minutes: a morning with a morning, and not with a whole day. All who ask within a minute, of whichever
 * process, compare with the same.
 */
export function previousPeriod({ fromMs, toMs }: Stretch, nowMs: number): Stretch {
  const lengthMs = toMs - fromMs;
  const passedMs = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS;
  return { fromMs: fromMs - lengthMs, toMs: Math.max(fromMs - lengthMs + 1, Math.min(toMs, passedMs) - lengthMs) };
}

/** Sets each headline number beside that of the period before. */
export function comparePeriods(
  current: PeriodCounts,
  previous: PeriodCounts,
  { fromMs, toMs }: Stretch,
): DashboardComparison {
  const [now, before] = [headlines(current), headlines(previous)];
  const numbers = Object.fromEntries(HEADLINE_NUMBERS.map((name) => [name, changeOf(now[name], before[name])]));
  return {
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    numbers: numbers as Record<HeadlineNumber, Change>,
  };
}

function changeOf(current: number | null, previous: number | null): Change {
  const difference = current === null || previous === null ? null : current - previous;
  return { current, previous, change: difference === null ? null : ratio(difference, previous ?? 0) };
}

function headlines({ counts, sessions }: PeriodCounts): Record<HeadlineNumber, number | null> {
  const api = apiNumbers(counts);
  return {
    requests: api.requests,
    errors: api.errors,
    error_rate: api.error_rate,
    avg_response_time_ms: api.avg_response_time_ms,
    p50_response_time_ms: api.p50_response_time_ms,
    p95_response_time_ms: api.p95_response_time_ms,
    p99_response_time_ms: api.p99_response_time_ms,
    request_bytes: api.request_bytes,
    response_bytes: api.response_bytes,
    active_users: counts.loginUsers,
    registrations: counts.registrations,
    logins: counts.logins,
    logins_per_active_user: ratio(counts.logins, counts.loginUsers),
    sessions: sessions?.sessions ?? null,
    avg_session_seconds: sessions?.averageSeconds ?? null,
    appointments_created: counts.appointmentsCreated,
    notifications_sent: counts.notificationsSent,
    device_registrations: counts.deviceRegistrations,
    patient_engagement: counts.patientUsers,
    patient_events_per_user: ratio(counts.patientEvents, counts.patientUsers),
  };
}
