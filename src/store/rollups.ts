/**
 * How the rollups lie in Postgres: the one vocabulary of who writes them (src/projections) and who reads them
 * (src/queries). A rollup is what the three tables say about a minute, five minutes, an hour or a day, as Timescale's
 * continuous aggregates are: whoever reads a range takes the rollups that are up to date, and counts the rest in the tables by
 * the same statement that makes rollups, so both give the same. Five minutes are added up from minutes, days from hours.
 *
 *   rollup_marks         minute or hour → log position that last touched it; written with the rows, in one transaction
 *   rollups              start and length → log position that its rollup contains
 *   request_rollups      requests at three levels: platform, service, endpoint
 *   user_rollups         user events by type and feature, with the distinct users
 *   measurement_rollups  measurements by service and metric
 */
import { BUCKET_BOUNDS } from './log-buckets.js';
import { DAY_S, EVENT_TYPES, FIVE_MINUTES_S, HOUR_S, MAX_FEATURE_CHARACTERS, MINUTE_S } from './summary-schema.js';

export const ROLLUP_TABLES = ['request_rollups', 'user_rollups', 'measurement_rollups'] as const;

/** Lengths of rollups, the longest first. */
export const ROLLUP_SECONDS = [DAY_S, HOUR_S, FIVE_MINUTES_S, MINUTE_S] as const;
export type RollupSeconds = (typeof ROLLUP_SECONDS)[number];

/** What is marked and counted in the tables. Hours are kept as long as events are, minutes for MINUTES_ROLLED_UP_MS. */
export const MARKED_SECONDS = [HOUR_S, MINUTE_S] as const;
export type MarkedSeconds = (typeof MARKED_SECONDS)[number];

/** Rollups that are added up from shorter ones, and from which. */
export const PARTS_OF = { [DAY_S]: HOUR_S, [FIVE_MINUTES_S]: MINUTE_S } as const;
export type AddedUpSeconds = keyof typeof PARTS_OF;

/** Back from now, every minute that was touched has a mark. */
export const MINUTES_ROLLED_UP_MS = 48 * HOUR_S * 1000;
/** Longer, so that a projector that is behind and clocks that differ leave no minute without its mark. */
export const MINUTES_MARKED_MS = 50 * HOUR_S * 1000;

/**
 * First values of the log buckets from the second on: `width_bucket` counts how many of them a value reaches, which is
 * the index that `bucketOf` gives.
 */
export const BUCKET_STARTS: readonly number[] = BUCKET_BOUNDS.slice(0, -1).map((bound) => bound + 1);
/** The same as an array of Postgres, written once: the client would write it anew for each statement. */
const BUCKET_STARTS_TEXT = `{${BUCKET_STARTS.join(',')}}`;

/** Times (ms since 1970) as an array of Postgres; ten times as fast as the client writes dates. */
export function timesText(times: readonly number[]): string {
  return `{${times.map((timeMs) => new Date(timeMs).toISOString()).join(',')}}`;
}

/** Columns of `request_rollups` that are added up, and the texts of its distributions. */
export const REQUEST_SUMS = [
  'requests',
  'errors',
  'timed_requests',
  'response_time_us',
  'request_bytes',
  'response_bytes',
] as const;
export const REQUEST_DISTRIBUTIONS = ['latency', 'request_sizes', 'response_sizes', 'status_codes'] as const;

/** All columns behind the keys, as `requestSlicesSql` names them, too. */
export const REQUEST_COLUMNS =
  'requests, errors, timed_requests, response_time_us, max_response_time_us, request_bytes, response_bytes, ' +
  'latency, request_sizes, response_sizes, status_codes, last_at';

/** Several request slices as one; the distributions stand one behind the other. */
export const REQUEST_TOTALS = [
  ...REQUEST_SUMS.map((column) => `sum(${column}) as ${column}`),
  'max(max_response_time_us) as max_response_time_us',
  ...REQUEST_DISTRIBUTIONS.map(
    (column) => `coalesce(string_agg(${column}, ',') filter (where ${column} <> ''), '') as ${column}`,
  ),
].join(', ');

/** Which interval a slice lies in, counted from 1970. */
export function intervalSql(seconds: string): string {
  // As a double: a numeric is divided ten times as slowly.
  return `floor(date_part('epoch', starts_at) / ${seconds})::float8`;
}

/** Parameters of a statement as they are added, so that its text need not count them. */
export class Parameters {
  readonly values: unknown[] = [];

  /** @returns the placeholder */
  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

/** A stretch of time, in ms since 1970, the end exclusive. */
export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
}

/** More stretches than these are looked up one by one, instead of making one condition of them. */
const MAX_CONDITIONS = 16;

/**
 * Rows of a table in stretches of time, as `event`. A few stretches are a condition, so that Postgres plans for their
 * partitions alone: planning for ninety takes longer than counting a minute.
 */
function eventsIn(table: string, column: string, stretches: readonly Stretch[], parameters: Parameters): string {
  if (stretches.length > MAX_CONDITIONS) {
    const begins = parameters.add(timesText(stretches.map(({ fromMs }) => fromMs)));
    const ends = parameters.add(timesText(stretches.map(({ toMs }) => toMs)));
    return `unnest(${begins}::timestamptz[], ${ends}::timestamptz[]) as stretch (begins, ends)
      cross join lateral (
        select * from ${table} where ${column} >= stretch.begins and ${column} < stretch.ends
      ) as event`;
  }
  const conditions = stretches.map(({ fromMs, toMs }) => {
    const [begins, ends] = [parameters.add(new Date(fromMs)), parameters.add(new Date(toMs))];
    return `${column} >= ${begins}::timestamptz and ${column} < ${ends}::timestamptz`;
  });
  return `(select * from ${table} where ${conditions.length === 0 ? 'false' : conditions.join(' or ')}) as event`;
}

/** The start of the slice of `seconds` that a time falls into; slices are counted from 1970. */
export function startsAtSql(column: string, seconds: string): string {
  return `date_bin(make_interval(secs => ${seconds}), ${column}, 'epoch')`;
}

export interface RequestSlicesOptions {
  readonly stretches: readonly Stretch[];
  readonly seconds: number;
  /** Of `service_name, method, route`: what is grouped by beside the time; grouping sets for several levels at once. */
  readonly groups?: string;
  /** Further conditions on the rows. */
  readonly where?: string;
}

/**
 * Requests by slices of time. Distributions are texts `bucket:count,bucket:count`, the same bucket maybe twice. One pass
 * over the rows: they are grouped four times at once, by status, latency, request size and response size.
 */
export function requestSlicesSql(options: RequestSlicesOptions, parameters: Parameters): string {
  const { stretches, seconds, groups, where } = options;
  const from = eventsIn('api_metrics', 'timestamp', stretches, parameters);
  const buckets = parameters.add(BUCKET_STARTS_TEXT);
  const starts = startsAtSql('timestamp', parameters.add(seconds));
  const keys = groups ?? '';
  const isGrouped = (name: string): string => (keys.includes(name) ? name : `null::varchar as ${name}`);
  const grouped = ['service_name', 'method', 'route'].filter((name) => keys.includes(name));
  return `select starts_at, ${['service_name', 'method', 'route'].map(isGrouped).join(', ')},
      sum(n) filter (where part = 7) as requests,
      coalesce(sum(n) filter (where part = 7 and status_code >= 500), 0) as errors,
      coalesce(sum(n) filter (where part = 11 and latency is not null), 0) as timed_requests,
      coalesce(sum(us) filter (where part = 7), 0) as response_time_us,
      coalesce(max(max_us), 0) as max_response_time_us,
      coalesce(sum(request_bytes) filter (where part = 7), 0) as request_bytes,
      coalesce(sum(response_bytes) filter (where part = 7), 0) as response_bytes,
      coalesce(string_agg(latency || ':' || n, ',') filter (where part = 11), '') as latency,
      coalesce(string_agg(request_size || ':' || n, ',') filter (where part = 13), '') as request_sizes,
      coalesce(string_agg(response_size || ':' || n, ',') filter (where part = 14), '') as response_sizes,
      coalesce(string_agg(status_code || ':' || n, ',') filter (where part = 7), '') as status_codes,
      max(last_at) as last_at
    from (
      select starts_at${grouped.map((name) => `, ${name}`).join('')},
        status_code, latency, request_size, response_size,
        grouping(status_code, latency, request_size, response_size) as part,
        count(*) as n, sum(us) as us, max(us) as max_us,
        sum(request_bytes) as request_bytes, sum(response_bytes) as response_bytes,
        max(timestamp) as last_at
      from (
        select ${starts} as starts_at, timestamp, service_name, method, route, status_code,
          (response_time_ms * 1000)::bigint as us, request_bytes, response_bytes,
          width_bucket((response_time_ms * 1000)::bigint, ${buckets}::bigint[]) as latency,
          width_bucket(request_bytes, ${buckets}::bigint[]) as request_size,
          width_bucket(response_bytes, ${buckets}::bigint[]) as response_size
        from ${from}
        where ${where ?? 'true'}
      ) as binned
      group by starts_at${keys === '' ? '' : `, ${keys}`},
        grouping sets ((status_code), (latency), (request_size), (response_size))
    ) as counted
    group by starts_at${grouped.map((name) => `, ${name}`).join('')}`;
}

/** User events by slices of time, type and feature, with the distinct users of each. */
export function userSlicesSql(
  { stretches, seconds, where }: Omit<RequestSlicesOptions, 'groups'>,
  parameters: Parameters,
): string {
  const from = eventsIn('user_events', 'created_at', stretches, parameters);
  const starts = startsAtSql('created_at', parameters.add(seconds));
  return `select ${starts} as starts_at, event_type,
      case when event_type = '${EVENT_TYPES.featureUsed}' and jsonb_typeof(metadata -> 'feature') = 'string'
          and char_length(metadata ->> 'feature') between 1 and ${MAX_FEATURE_CHARACTERS}
        then metadata ->> 'feature' end as feature,
      count(*) as events,
      coalesce(string_agg(distinct int4send(user_id), ''::bytea), '') as users
    from ${from}
    where ${where ?? 'true'}
    group by 1, 2, 3`;
}

/** Measurements by slices of time, service and metric. */
export function measurementSlicesSql(
  { stretches, seconds, where }: Omit<RequestSlicesOptions, 'groups'>,
  parameters: Parameters,
): string {
  const from = eventsIn('system_metrics', 'timestamp', stretches, parameters);
  const starts = startsAtSql('timestamp', parameters.add(seconds));
  return `select ${starts} as starts_at, service_name, metric_name, count(*) as measurements, sum(value) as total,
      max(timestamp) as last_at
    from ${from}
    where ${where ?? 'true'}
    group by 1, 2, 3`;
}
