import type { PoolClient } from 'pg';
import { EVENT_TYPES, HISTOGRAM_BOUNDS_S, METHODS, OTHER, OTHER_METHOD } from '../store/summary-schema.js';
import type { HttpSeries, PlatformCounters } from './aggregates.js';
import { toMicroseconds } from './postgres-rows.js';
import { readActiveUsersNow } from './postgres-windows.js';

/** First values of the histogram's buckets from the second on, in whole microseconds; see LATENCY_STARTS_US. */
const HISTOGRAM_STARTS_US = HISTOGRAM_BOUNDS_S.map((bound) => Math.round(bound * 1e6) + 1);

/** Counters over everything that the tables hold. */
export async function readPlatformCounters(client: PoolClient, nowMs: number): Promise<PlatformCounters> {
  const http = await readHttp(client);
  return {
    requests: sumByStatus(http),
    durations: sumDurations(http),
    events: await readEvents(client),
    activeUsers: await readActiveUsersNow(client, nowMs),
    gauges: await readGauges(client),
  };
}

interface HttpRow extends HttpSeries {
  readonly status_code: number;
  /** Null for requests without a response time. */
  readonly bucket: number | null;
  readonly requests: string;
  readonly response_time_ms: string | null;
}

/** Names beyond the limits are folded after the table was grouped, so that the join sees groups and not requests. */
async function readHttp(client: PoolClient): Promise<readonly HttpRow[]> {
  const { rows } = await client.query<HttpRow>(
    `with grouped as (
       select service_name, case when method = any ($2) then method else $3 end as method, route, status_code,
         width_bucket((response_time_ms * 1000)::bigint, $4::bigint[]) as bucket,
         count(*) as requests, sum(response_time_ms) as response_time_ms
       from api_metrics
       group by 1, 2, 3, 4, 5
     ),
     labelled as (
       select coalesce(known.key, $1) as service, method, route, status_code, bucket, requests, response_time_ms
       from grouped
       left join known_series as known on known.kind = 'service' and known.key = service_name
     )
     select service, method, case when known.key is null then $1 else route end as endpoint, status_code, bucket,
       sum(requests) as requests, sum(response_time_ms) as response_time_ms
     from labelled
     left join known_series as known
       on known.kind = 'endpoint' and known.key = service || e'\\t' || route
     group by 1, 2, 3, 4, 5`,
    [OTHER, [...METHODS], OTHER_METHOD, HISTOGRAM_STARTS_US],
  );
  return rows;
}

function sumByStatus(rows: readonly HttpRow[]): PlatformCounters['requests'] {
  const sums = new Map<string, HttpSeries & { status: number; count: number }>();
  for (const { service, method, endpoint, status_code: status, requests } of rows) {
    const key = JSON.stringify([service, method, endpoint, status]);
    const sum = sums.get(key) ?? { service, method, endpoint, status, count: 0 };
    sum.count += Number(requests);
    sums.set(key, sum);
  }
  return [...sums.values()];
}

function sumDurations(rows: readonly HttpRow[]): PlatformCounters['durations'] {
  const sums = new Map<string, HttpSeries & { buckets: number[]; sumUs: number }>();
  for (const { service, method, endpoint, bucket, requests, response_time_ms: milliseconds } of rows) {
    if (bucket === null) continue;
    const key = JSON.stringify([service, method, endpoint]);
    const sum = sums.get(key) ?? {
      service,
      method,
      endpoint,
      buckets: new Array<number>(HISTOGRAM_BOUNDS_S.length + 1).fill(0),
      sumUs: 0,
    };
    sum.buckets[bucket] = (sum.buckets[bucket] ?? 0) + Number(requests);
    sum.sumUs += toMicroseconds(milliseconds);
    sums.set(key, sum);
  }
  return [...sums.values()];
}

async function readEvents(client: PoolClient): Promise<PlatformCounters['events']> {
  const { rows } = await client.query<{ event_type: string; events: string }>(
    `select case when known.key is null and event_type <> all ($2) then $1 else event_type end as event_type,
       sum(events) as events
     from (select event_type, count(*) as events from user_events group by event_type) as counted
     left join known_series as known on known.kind = 'event_type' and known.key = event_type
     group by 1`,
    [OTHER, Object.values(EVENT_TYPES)],
  );
  return rows.map(({ event_type: eventType, events }) => ({ eventType, count: Number(events) }));
}

async function readGauges(client: PoolClient): Promise<PlatformCounters['gauges']> {
  const { rows } = await client.query<{ service: string; metric: string; value: string }>(
    `select distinct on (service_name, metric_name) service_name as service, metric_name as metric, value
     from system_metrics
     where exists (
       select from known_series
       where kind = 'gauge' and key = service_name || e'\\t' || metric_name
     )
     order by service_name, metric_name, timestamp desc, stream_seq desc`,
  );
  return rows.map(({ service, metric, value }) => ({ service, metric, value: Number(value) }));
}
