import type { WindowCounts } from './aggregates.js';
import type { DashboardRange } from './dashboard-range.js';
import type { ServiceHealth } from './services-health.js';
import type { ApiNumbers, FiringAlert, Summary } from './summary.js';

/** `t` is the start of an interval, RFC 3339 in UTC. */
export interface Point {
  readonly t: string;
  readonly value: number | null;
}

/** One point for every interval. */
export type Series = readonly Point[];
export type SplitSeries = Readonly<Record<string, Series>>;

export interface DashboardSeries {
  readonly requests: Series;
  readonly errors: Series;
  readonly error_rate: Series;
  /** Milliseconds. */
  readonly avg_response_time: Series;
  readonly p50: Series;
  readonly p95: Series;
  readonly p99: Series;
  readonly request_bytes: Series;
  readonly response_bytes: Series;
  /** Distinct users with a login in the interval. */
  readonly active_users: Series;
  /** The most frequent event types; the rest is `other`. */
  readonly events_by_type: SplitSeries;
  readonly business: SplitSeries;
  /** Mean of the measurements by service. */
  readonly cpu_usage: SplitSeries;
  readonly memory_usage: SplitSeries;
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
  readonly services: readonly ServiceHealth[];
  readonly series: DashboardSeries;
  readonly top: {
    readonly endpoints: readonly TopEndpoint[];
    readonly features: WindowCounts['features'];
    readonly event_types: readonly { readonly event_type: string; readonly events: number }[];
  };
  readonly alerts: readonly FiringAlert[];
}

/** The starts of the range's intervals as they are written into points. */
export function intervalStarts({ fromMs, toMs, intervalSeconds }: DashboardRange): string[] {
  const starts: string[] = [];
  for (let timeMs = fromMs; timeMs < toMs; timeMs += intervalSeconds * 1000) {
    starts.push(new Date(timeMs).toISOString());
  }
  return starts;
}

/** A point for every interval; where nothing was counted, `empty`. */
export function gapFree(
  starts: readonly string[],
  values: ReadonlyMap<number, number | null>,
  empty: 0 | null,
): Series {
  return starts.map((t, interval) => ({ t, value: values.get(interval) ?? empty }));
}
