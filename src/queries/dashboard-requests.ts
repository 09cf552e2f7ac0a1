import type { PoolClient } from 'pg';
import { bucketValue } from '../store/log-buckets.js';
import { type DashboardSeries, gapFree, type Series, type TopEndpoint } from './dashboard.js';
import { INTERVAL_SQL, rangeValues, startsAtSql } from './dashboard-intervals.js';
import type { DashboardRange } from './dashboard-range.js';
import {
  LATENCY_STARTS_US,
  latencyBucketSql,
  REQUEST_SUMS,
  type RequestRow,
  sumRequests,
  toMicroseconds,
} from './postgres-rows.js';
import { apiNumbers } from './summary.js';

const TOP_ENDPOINTS = 20;

interface IntervalRow {
  readonly interval: number;
  readonly requests: string;
  readonly errors: string;
  readonly response_time_ms: string | null;
  readonly request_bytes: string | null;
  readonly response_bytes: string | null;
  readonly timed: string | null;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

type RequestSeries = Pick<
  DashboardSeries,
  | 'requests'
  | 'errors'
  | 'error_rate'
  | 'avg_response_time'
  | 'p50'
  | 'p95'
  | 'p99'
  | 'request_bytes'
  | 'response_bytes'
>;

/** Counts of each interval; percentiles are picked from the latency buckets as `percentileMs` does. */
export async function readRequestSeries(
  client: PoolClient,
  range: DashboardRange,
  starts: readonly string[],
): Promise<RequestSeries> {
  const { rows } = await client.query<IntervalRow>(
    `with counted as (
       select ${startsAtSql('timestamp')} as starts_at, ${latencyBucketSql('$4')} as bucket,
       ${REQUEST_SUMS}
       from api_metrics
       where timestamp >= $1 and timestamp < $2
       group by starts_at, bucket
     ),
     ranked as (
       select *,
         sum(requests) filter (where bucket is not null) over (partition by starts_at order by bucket) as up_to,
         sum(requests) filter (where bucket is not null) over (partition by starts_at) as timed
       from counted
     )
     select ${INTERVAL_SQL} as interval, sum(requests) as requests, sum(errors) as errors,
       sum(response_time_ms) as response_time_ms, sum(request_bytes) as request_bytes,
       sum(response_bytes) as response_bytes, max(timed) as timed,
       min(bucket) filter (where up_to >= ceil(0.5::float8 * timed::float8)) as p50,
       min(bucket) filter (where up_to >= ceil(0.95::float8 * timed::float8)) as p95,
       min(bucket) filter (where up_to >= ceil(0.99::float8 * timed::float8)) as p99
     from ranked
     group by starts_at`,
    [...rangeValues(range), LATENCY_STARTS_US],
  );
  const series = (value: (row: IntervalRow) => number | null, empty: 0 | null): Series =>
    gapFree(starts, new Map(rows.map((row) => [row.interval, value(row)])), empty);
  return {
    requests: series((row) => Number(row.requests), 0),
    errors: series((row) => Number(row.errors), 0),
    error_rate: series((row) => Number(row.errors) / Number(row.requests), null),
    avg_response_time: series(averageMs, null),
    p50: series((row) => bucketOrNull(row.p50), null),
    p95: series((row) => bucketOrNull(row.p95), null),
    p99: series((row) => bucketOrNull(row.p99), null),
    request_bytes: series((row) => Number(row.request_bytes ?? 0), 0),
    response_bytes: series((row) => Number(row.response_bytes ?? 0), 0),
  };
}

function averageMs(row: IntervalRow): number | null {
  return row.timed === null ? null : toMicroseconds(row.response_time_ms) / Number(row.timed) / 1000;
}

function bucketOrNull(bucket: number | null): number | null {
  return bucket === null ? null : Math.round(bucketValue(bucket)) / 1000;
}

type EndpointRow = RequestRow & { readonly service_name: string; readonly method: string; readonly route: string };

/** The endpoints with the most requests. */
export async function readTopEndpoints(client: PoolClient, range: DashboardRange): Promise<TopEndpoint[]> {
  const [from, to] = rangeValues(range);
  const { rows } = await client.query<EndpointRow>(
    `with counted as (
       select service_name, method, route, ${latencyBucketSql('$3')} as bucket,
       ${REQUEST_SUMS}
       from api_metrics
       where timestamp >= $1 and timestamp < $2
       group by service_name, method, route, bucket
     ),
     top as (
       select service_name, method, route
       from counted
       group by service_name, method, route
       order by sum(requests) desc, service_name collate "C", method collate "C", route collate "C"
       limit $4
     )
     select counted.*
     from counted
     join top using (service_name, method, route)`,
    [from, to, LATENCY_STARTS_US, TOP_ENDPOINTS],
  );
  const groups = Map.groupBy(rows, ({ service_name, method, route }) => `${service_name}\t${method}\t${route}`);
  return [...groups]
    .map(([key, group]) => ({ key, endpoint: shapeEndpoint(group) }))
    .sort((a, b) => b.endpoint.requests - a.endpoint.requests || (a.key < b.key ? -1 : 1))
    .map(({ endpoint }) => endpoint);
}

function shapeEndpoint(rows: readonly EndpointRow[]): TopEndpoint {
  const { service_name = '', method = '', route = '' } = rows[0] ?? {};
  return { service_name, method, endpoint: route, ...apiNumbers(sumRequests(rows)) };
}
