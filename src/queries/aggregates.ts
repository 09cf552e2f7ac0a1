/**
 * What the answers are computed from: plain counts of a window. Redis and Postgres each give them in the same shape, so
 * that one function makes the answer and both sources agree.
 */

/** Requests of the platform, of one service or of one endpoint. Sums of times are whole microseconds. */
export interface LatencyCounts {
  readonly requests: number;
  readonly errors: number;
  readonly timedRequests: number;
  readonly responseTimeUs: number;
  /** 0 where none is timed. */
  readonly maxResponseTimeUs: number;
  /** Bucket (src/store/log-buckets.ts) of microseconds → how many. */
  readonly latency: ReadonlyMap<number, number>;
}

/** The same with sizes and statuses. */
export interface RequestCounts extends LatencyCounts {
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Bucket of bytes → how many, of the requests that say so. */
  readonly requestSizes: ReadonlyMap<number, number>;
  readonly responseSizes: ReadonlyMap<number, number>;
  readonly statusCodes: ReadonlyMap<number, number>;
}

/** What user events say about a stretch of time. */
export interface UserCounts {
  readonly registrations: number;
  readonly logins: number;
  readonly appointmentsCreated: number;
  readonly notificationsSent: number;
  readonly deviceRegistrations: number;
  readonly patientEvents: number;
  /** Distinct users with a login. */
  readonly loginUsers: number;
  /** Distinct users with a patient event. */
  readonly patientUsers: number;
  readonly features: readonly { readonly feature: string; readonly uses: number; readonly users: number }[];
}

/** Everything that a summary says about its window, but for sessions. */
export interface WindowCounts extends RequestCounts, UserCounts {}

/** Distinct users with a login, by calendar days in UTC. */
export interface ActiveUsers {
  readonly daily: number;
  readonly weekly: number;
  readonly monthly: number;
}

/** One service in the last aggregation interval. */
export interface ServiceCounts extends LatencyCounts {
  readonly serviceName: string;
  readonly lastSeenMs: number;
  /** Latest measurement of each metric that has a recent one, by metric name. */
  readonly gauges: ReadonlyMap<string, number>;
}

/** One series of the counters and histograms that Prometheus scrapes. */
export interface HttpSeries {
  readonly service: string;
  readonly method: string;
  readonly endpoint: string;
}

export interface PlatformCounters {
  /** The log position that they contain. */
  readonly sequence: number;
  /** `status` is a code, or a class (`5xx`) beyond the limit of series. */
  readonly requests: readonly (HttpSeries & { readonly status: string; readonly count: number })[];
  /** Counts by bucket of HISTOGRAM_BOUNDS_S (not cumulative; one more than bounds, for +Inf) and the sum. */
  readonly durations: readonly (HttpSeries & { readonly buckets: readonly number[]; readonly sumUs: number })[];
  readonly events: readonly { readonly eventType: string; readonly count: number }[];
  readonly activeUsers: ActiveUsers;
  readonly gauges: readonly { readonly service: string; readonly metric: string; readonly value: number }[];
}

/** Raised where a source stands at an earlier log position than is asked for, and is fine otherwise. */
export class SourceOutdated extends Error {}

/** Where counts come from; Redis as a rule, Postgres where Redis is away. Every method may throw when it is away. */
export interface CountsSource {
  readonly name: 'redis' | 'postgres';
  /** Everything from `fromS` (a start that `windowBounds` gives) on. */
  windowCounts(fromS: number, nowMs: number): Promise<WindowCounts>;
  activeUsers(nowMs: number): Promise<ActiveUsers>;
  /** Requests from `fromS` (a whole minute) on, and measurements from `gaugesFromS` on, of every service ever seen. */
  serviceCounts(fromS: number, gaugesFromS: number, nowMs: number): Promise<readonly ServiceCounts[]>;
  /**
   * Counters since the beginning, as of the log position `fromSequence` or a later one.
   *
   * @throws SourceOutdated where this source cannot be asked for that
   */
  platformCounters(nowMs: number, fromSequence: number): Promise<PlatformCounters>;
}
