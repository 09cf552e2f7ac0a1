/**
 * The counters that Prometheus scrapes, counted in the tables; and their base: what the days contributed that were dropped
 * since. Counters are the base and the tables, so they do not go back when a day goes.
 *
 * Their fields are those of the summaries in Redis (summary-schema.ts), where the projections fold the same from events:
 *
 *   http      service, method, endpoint, status → requests
 *   duration  service, method, endpoint, bucket or `sum` → requests, or whole microseconds
 *   events    event type → events
 */
import type { PoolClient } from 'pg';
import {
  DURATION_SUM_US,
  HISTOGRAM_BOUNDS_S,
  METHODS,
  OTHER,
  OTHER_METHOD,
  PART,
  statusClass,
  WELL_KNOWN_EVENT_TYPES,
} from './summary-schema.js';

export const COUNTER_KINDS = ['http', 'duration', 'events'] as const;
export type CounterKind = (typeof COUNTER_KINDS)[number];
export type Counters = Readonly<Record<CounterKind, Map<string, number>>>;

export function emptyCounters(): Counters {
  return { http: new Map(), duration: new Map(), events: new Map() };
}

/** Adds the second to the first. */
export function addCounters(to: Counters, more: Counters): void {
  for (const kind of COUNTER_KINDS) {
    for (const [field, count] of more[kind]) add(to[kind], field, count);
  }
}

function add(counts: Map<string, number>, field: string, by: number): void {
  counts.set(field, (counts.get(field) ?? 0) + by);
}

/**
 * Keeps days from being dropped until the transaction ends. To be called before its first snapshot: one that is older
 * than a drop sees neither the rows, since the partition is gone, nor what was added to the base for them.
 */
export async function keepDays(client: PoolClient): Promise<void> {
  await client.query('lock table user_events, system_metrics, api_metrics, counter_bases in access share mode');
}

/** The tables, or one partition of each, that are counted. */
export interface CountedTables {
  readonly api: string | null;
  readonly user: string | null;
}

export const ALL_TABLES: CountedTables = { api: 'api_metrics', user: 'user_events' };

/** Counts the rows, named as `known_series` says. */
export async function countInTables(client: PoolClient, { api, user }: CountedTables): Promise<Counters> {
  const counters = emptyCounters();
  if (api !== null) await countRequests(client, api, counters);
  if (user !== null) await countEvents(client, user, counters);
  return counters;
}

/** First values of the histogram's buckets from the second on, in whole microseconds, for `width_bucket`. */
const HISTOGRAM_STARTS_US = HISTOGRAM_BOUNDS_S.map((bound) => Math.round(bound * 1e6) + 1);

interface RequestRow {
  readonly series: string;
  readonly status_code: number;
  readonly has_status: boolean;
  /** Null for requests without a response time. */
  readonly bucket: number | null;
  readonly requests: string;
  readonly response_time_us: string | null;
}

/** Names are looked up after the table was grouped, so that the joins see groups and not requests. */
async function countRequests(client: PoolClient, table: string, { http, duration }: Counters): Promise<void> {
  const { rows } = await client.query<RequestRow>(
    `with grouped as (
       select service_name, case when method = any ($2) then method else $3 end as method, route, status_code,
         width_bucket((response_time_ms * 1000)::bigint, $4::bigint[]) as bucket,
         count(*) as requests, sum((response_time_ms * 1000)::bigint) as response_time_us
       from ${table}
       group by 1, 2, 3, 4, 5
     ),
     labelled as (
       select coalesce(known.key, $1) || $5 || method as service_method, method, route, status_code, bucket, requests,
         response_time_us
       from grouped
       left join known_series as known on known.kind = 'service' and known.key = service_name
     ),
     named as (
       select coalesce(own.key, coalesce(rest.key, $1 || $5 || method) || $5 || $1) as series, status_code, bucket,
         requests, response_time_us
       from labelled
       left join known_series as own
         on own.kind in ('http_route', 'http_method') and own.key = service_method || $5 || route
       left join known_series as rest on rest.kind = 'http_rest' and rest.key = service_method
     )
     select series, status_code, status.key is not null as has_status, bucket, sum(requests) as requests,
       sum(response_time_us) as response_time_us
     from named
     left join known_series as status on status.kind = 'http_status' and status.key = series || $5 || status_code
     group by 1, 2, 3, 4`,
    [OTHER, [...METHODS], OTHER_METHOD, HISTOGRAM_STARTS_US, PART],
  );
  for (const { series, status_code: code, has_status: hasStatus, bucket, requests, response_time_us: us } of rows) {
    add(http, `${series}${PART}${hasStatus ? code : statusClass(code)}`, Number(requests));
    if (bucket === null) continue;
    add(duration, `${series}${PART}${bucket}`, Number(requests));
    add(duration, `${series}${PART}${DURATION_SUM_US}`, Number(us));
  }
}

async function countEvents(client: PoolClient, table: string, { events }: Counters): Promise<void> {
  const { rows } = await client.query<{ event_type: string; events: string }>(
    `select case when known.key is null and event_type <> all ($2) then $1 else event_type end as event_type,
       sum(events) as events
     from (select event_type, count(*) as events from ${table} group by event_type) as counted
     left join known_series as known on known.kind = 'event_type' and known.key = event_type
     group by 1`,
    [OTHER, WELL_KNOWN_EVENT_TYPES],
  );
  for (const { event_type: eventType, events: count } of rows) add(events, eventType, Number(count));
}

/** What the days contributed that are no longer there. */
export async function readCounterBase(client: PoolClient): Promise<Counters> {
  const { rows } = await client.query<{ kind: string; key: string; value: string }>(
    'select kind, key, value from counter_bases',
  );
  const counters = emptyCounters();
  for (const { kind, key, value } of rows) {
    const known = COUNTER_KINDS.find((each) => each === kind);
    if (known !== undefined) add(counters[known], key, Number(value));
  }
  return counters;
}

/** Adds to the base what a day contributes that goes in the same transaction. */
export async function addToCounterBase(client: PoolClient, counters: Counters): Promise<void> {
  for (const kind of COUNTER_KINDS) {
    await client.query(
      `insert into counter_bases (kind, key, value)
       select $1, key, value from unnest($2::text[], $3::numeric[]) as added (key, value)
       on conflict (kind, key) do update set value = counter_bases.value + excluded.value`,
      [kind, [...counters[kind].keys()], [...counters[kind].values()]],
    );
  }
}
