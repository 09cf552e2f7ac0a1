/**
 * How the summaries lie in Redis: the one vocabulary of those who write them (src/projections) and those who read
 * them (src/queries).
 *
 * All keys share a hash tag, so that they live in one slot of a Redis Cluster. A generation is one complete build of
 * the summaries; `CURRENT_KEY` names the one that is read, so that a rebuild is switched to at once.
 *
 *   {metrics}:current            → generation
 *   {metrics}:<gen>:meta         hash: sequence (the log position folded in), business (hash of that mapping and of the
 *                                retention), tables (generation of the tables that it was folded of)
 *   {metrics}:epoch              number of the leader that may write the summaries (src/projections/summary-writer.ts)
 * A hash of counts also holds `at`, the position that changed it last: a reader that knows it need not read it again.
 *
 *   {metrics}:<gen>:m:<second>   hash of counts, one minute     (kept 26 hours)
 *   {metrics}:<gen>:h:<second>   hash of counts, one hour       (kept as long as events are)
 *   {metrics}:<gen>:d:<second>   hash of counts, one day (UTC)  (kept as long as events are)
 *   {metrics}:<gen>:s:<second>   hash of counts by service, one minute (kept 26 hours)
 *   {metrics}:<gen>:http         hash of counters since the beginning: service, method, endpoint, status
 *   {metrics}:<gen>:duration     hash of histogram counters: service, method, endpoint, bucket
 *   {metrics}:<gen>:events       hash of counters: event type
 *   {metrics}:<gen>:gauges       hash: service, metric → time, sequence, value
 *   {metrics}:<gen>:seen         hash: service → last event's time (ms)
 *   {metrics}:<gen>:u:<set>      sorted set: user → time (ms) of the last such event (kept 31 days)
 *   {metrics}:view:<name>        JSON of what cannot be counted by increments, computed every aggregation interval
 */

export const KEY_PREFIX = '{metrics}:';
export const CURRENT_KEY = `${KEY_PREFIX}current`;
export const EPOCH_KEY = `${KEY_PREFIX}epoch`;

export function generationPrefix(generation: string): string {
  return `${KEY_PREFIX}${generation}:`;
}

export function viewKey(name: string): string {
  return `${KEY_PREFIX}view:${name}`;
}

/** Separates the parts of a hash field. No part contains it: names are tokens, routes have control characters cut. */
export const PART = '\t';

/** What stands for all series beyond a limit. */
export const OTHER = 'other';

export const MINUTE_S = 60;
export const FIVE_MINUTES_S = 300;
export const HOUR_S = 3_600;
export const DAY_S = 86_400;
export const MINUTES_KEPT_S = 26 * HOUR_S;
export const USERS_KEPT_MS = 31 * DAY_S * 1000;

/**
 * How the summaries lie; summaries of another format are built anew. To be raised whenever what is counted, or where it
 * is kept, changes.
 */
export const SUMMARY_FORMAT = 3;

/** The field of a hash of counts that is none: the position that changed the hash last. */
export const CHANGED_AT_FIELD = 'at';

/** Fields of the hashes of counts. Times are sums of whole microseconds; the maximum is the only one that is no sum. */
export const FIELDS = {
  requests: 'req',
  errors: 'err',
  responseTimeUs: 'rt_us',
  timedRequests: 'rt_n',
  maxResponseTimeUs: 'max:rt',
  requestBytes: 'rqb',
  responseBytes: 'rsb',
} as const;

/**
 * Beginnings of fields that name what they count: `st:200`, `ev:user_login`, `ft:reports`, `biz:…`; `lat:57`, `rqs:57`
 * and `rss:57` are buckets (src/store/log-buckets.ts) of response times and of sizes.
 */
export const FIELD_PREFIXES = {
  status: 'st:',
  latency: 'lat:',
  requestSize: 'rqs:',
  responseSize: 'rss:',
  event: 'ev:',
  feature: 'ft:',
  business: 'biz:',
} as const;

export const BUSINESS_COUNTS = {
  appointmentsCreated: 'appointments_created',
  notificationsSent: 'notifications_sent',
  deviceRegistrations: 'device_registrations',
  patientEvents: 'patient_events',
} as const;

/** Which event types count as which business number. */
export interface BusinessTypes {
  readonly appointmentsCreated: readonly string[];
  readonly notificationsSent: readonly string[];
  readonly deviceRegistrations: readonly string[];
  readonly patientEngagementPrefixes: readonly string[];
}

/** Sorted sets of users. A feature's set is `feature:` and its name. */
export const USER_SETS = { login: 'login', patient: 'patient', featurePrefix: 'feature:' } as const;

export const EVENT_TYPES = { registered: 'user_registered', login: 'user_login', featureUsed: 'feature_used' } as const;

/** Event types of the contract that have a name, and not only a prefix. */
export const WELL_KNOWN_EVENT_TYPES: readonly string[] = [
  ...Object.values(EVENT_TYPES),
  'user_logout',
  'appointment_created',
  'notification_sent',
  'device_registered',
];

/** Measurements that the service takes of NATS services by asking them; counts are since their instances started. */
export const NATS_METRICS = {
  instances: 'nats_instances',
  requests: 'nats_requests',
  errors: 'nats_errors',
  averageProcessingTime: 'nats_average_processing_time',
} as const;

/** Upper bounds, in seconds, of the histogram that Prometheus scrapes. */
export const HISTOGRAM_BOUNDS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;
/** Fields of the duration hash that are no bucket. */
export const DURATION_SUM_US = 'sum';

/**
 * Most names of each kind that get a series of their own; the rest is `other`. First come, first served.
 *
 * `http_route` are service, method and endpoint of the requests that Prometheus scrapes, `http_method` the same for further
 * methods of an endpoint that is known: they have places of their own, for the HEAD of a known endpoint is rare and comes
 * late. What comes after those counts in the `endpoint="other"` of its service and method, where those are among the first
 * `http_rest`, else in that of the service `other`: with the ten methods, 1,000 series in all. `http_status` are those with
 * a status; later ones have its class.
 */
export const SERIES_LIMITS = {
  service: 500,
  event_type: 500,
  feature: 200,
  http_route: 700,
  http_method: 200,
  http_rest: 90,
  http_status: 5_000,
  gauge: 5_000,
} as const;
export type SeriesKind = keyof typeof SERIES_LIMITS;

/** A feature's name that is longer is no name. */
export const MAX_FEATURE_CHARACTERS = 100;

/** Methods that may stand in a label; others are `OTHER`. */
export const OTHER_METHOD = 'OTHER';
export const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'CONNECT',
  'TRACE',
]);

/** What stands for statuses beyond the limit: `5xx`, which `status=~"5.."` finds as well. */
export function statusClass(statusCode: number): string {
  return `${Math.floor(statusCode / 100)}xx`;
}
