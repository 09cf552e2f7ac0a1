import type { UserCounts } from './aggregates.js';
import type { Series, SplitSeries } from './dashboard-axis.js';
import type { DashboardComparison } from './dashboard-comparison.js';
import type { ServiceHealth } from './services-health.js';
import type { ApiNumbers, FiringAlert, Summary } from './summary.js';

export interface DashboardSeries {
  readonly requests: Series;
  readonly errors: Series;
  /** Requests per second. */
  readonly request_rate: Series;
  readonly error_rate: Series;
  /** Milliseconds. */
  readonly avg_response_time: Series;
  readonly p50: Series;
  readonly p95: Series;
  readonly p99: Series;
  readonly max: Series;
  readonly request_bytes: Series;
  readonly response_bytes: Series;
  /** Distinct users with a login in the interval. */
  readonly active_users: Series;
  readonly registrations: Series;
  readonly logins: Series;
  /** The most frequent event types; the rest is `other`. */
  readonly events_by_type: SplitSeries;
  readonly business: SplitSeries;
  /** Mean of the measurements by service. */
  readonly cpu_usage: SplitSeries;
  readonly memory_usage: SplitSeries;
  /** Mean of active connections / mean of the largest number of them: 0 to 1. */
  readonly db_pool_usage: SplitSeries;
}

export interface TopService extends ApiNumbers {
  readonly service_name: string;
}

export interface TopEndpoint extends TopService {
  readonly method: string;
  readonly endpoint: string;
}

/** Answer of `GET /metrics/dashboard`. */
export interface Dashboard {
  readonly from: string;
  readonly to: string;
  readonly interval_seconds: number;
  readonly generated_at: string;
  /** Over [from, to); its services are judged by now. */
  readonly summary: Summary;
  /** The period before, where it was asked for. */
  readonly comparison: DashboardComparison | null;
  readonly services: readonly ServiceHealth[];
  readonly series: DashboardSeries;
  readonly top: {
    readonly services: readonly TopService[];
    readonly endpoints: readonly TopEndpoint[];
    readonly features: UserCounts['features'];
    readonly event_types: readonly { readonly event_type: string; readonly events: number }[];
  };
  readonly alerts: readonly FiringAlert[];
}
