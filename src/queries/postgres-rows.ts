import { BUCKET_BOUNDS } from '../store/log-buckets.js';
import type { RequestCounts } from './aggregates.js';

/**
 * First values of the latency buckets from the second on: `width_bucket` counts how many of them a value reaches, which
 * is the index that `bucketOf` gives.
 */
export const LATENCY_STARTS_US: readonly number[] = BUCKET_BOUNDS.slice(0, -1).map((bound) => bound + 1);

/** Sums of requests of one group. Postgres gives sums as text: they may be larger than a bigint. */
export interface RequestRow {
  /** Null for requests without a response time. */
  readonly bucket: number | null;
  readonly requests: string;
  readonly errors: string;
  readonly response_time_ms: string | null;
  readonly request_bytes: string | null;
  readonly response_bytes: string | null;
}

/** The columns of RequestRow behind `bucket`, over the rows of api_metrics. */
export const REQUEST_SUMS = `count(*) as requests,
       count(*) filter (where status_code >= 500) as errors,
       sum(response_time_ms) as response_time_ms,
       sum(request_bytes) as request_bytes,
       sum(response_bytes) as response_bytes`;

/** The latency bucket of a row of api_metrics; the parameter holds LATENCY_STARTS_US. */
export function latencyBucketSql(parameter: string): string {
  return `width_bucket((response_time_ms * 1000)::bigint, ${parameter}::bigint[])`;
}

/** Milliseconds with three decimals as whole microseconds. */
export function toMicroseconds(milliseconds: string | null): number {
  return milliseconds === null ? 0 : Number(milliseconds.replace('.', ''));
}

export function sumRequests(rows: Iterable<RequestRow>): RequestCounts {
  const latency = new Map<number, number>();
  const sums = {
    requests: 0,
    errors: 0,
    timedRequests: 0,
    responseTimeUs: 0,
    maxResponseTimeUs: 0,
    requestBytes: 0,
    responseBytes: 0,
  };
  for (const row of rows) {
    const requests = Number(row.requests);
    sums.requests += requests;
    sums.errors += Number(row.errors);
    sums.requestBytes += Number(row.request_bytes ?? 0);
    sums.responseBytes += Number(row.response_bytes ?? 0);
    if (row.bucket === null) continue;
    sums.timedRequests += requests;
    sums.responseTimeUs += toMicroseconds(row.response_time_ms);
    latency.set(row.bucket, (latency.get(row.bucket) ?? 0) + requests);
  }
  return { ...sums, latency, requestSizes: new Map(), responseSizes: new Map(), statusCodes: new Map() };
}

/** Postgres gives exactly one row for an aggregate without groups. */
export function onlyRow<T>(rows: readonly T[]): T {
  const [row] = rows;
  if (row === undefined) throw new Error('An aggregate gave no row');
  return row;
}

/** For `like any`: event types that begin with one of the prefixes. */
export function prefixPatterns(prefixes: readonly string[]): string[] {
  return prefixes.map((prefix) => `${prefix.replace(/[\\%_]/g, (character) => `\\${character}`)}%`);
}
