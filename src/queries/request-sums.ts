import type { RequestCounts } from './aggregates.js';

/** A row of `request_rollups`, or of the same counted in the tables. Postgres gives sums as text. */
export interface RequestSlice {
  readonly requests: string;
  readonly errors: string;
  readonly timed_requests: string;
  readonly response_time_us: string;
  readonly max_response_time_us: string;
  readonly request_bytes: string;
  readonly response_bytes: string;
  readonly latency: string;
  readonly request_sizes: string;
  readonly response_sizes: string;
  readonly status_codes: string;
}

/** Adds up slices. */
export class RequestSums implements RequestCounts {
  requests = 0;
  errors = 0;
  timedRequests = 0;
  responseTimeUs = 0;
  maxResponseTimeUs = 0;
  requestBytes = 0;
  responseBytes = 0;
  readonly latency = new Map<number, number>();
  readonly requestSizes = new Map<number, number>();
  readonly responseSizes = new Map<number, number>();
  readonly statusCodes = new Map<number, number>();

  static of(slices: Iterable<RequestSlice>): RequestSums {
    const sums = new RequestSums();
    for (const slice of slices) sums.add(slice);
    return sums;
  }

  add(slice: RequestSlice): void {
    this.addTimes(slice);
    this.addRest(slice);
  }

  /** Everything but sizes and statuses, which are of no use to a series. */
  addTimes(slice: RequestSlice): void {
    this.requests += Number(slice.requests);
    this.errors += Number(slice.errors);
    this.timedRequests += Number(slice.timed_requests);
    this.responseTimeUs += Number(slice.response_time_us);
    this.maxResponseTimeUs = Math.max(this.maxResponseTimeUs, Number(slice.max_response_time_us));
    this.requestBytes += Number(slice.request_bytes);
    this.responseBytes += Number(slice.response_bytes);
    addDistribution(this.latency, slice.latency);
  }

  /** Sizes and statuses. */
  addRest(slice: RequestSlice): void {
    addDistribution(this.requestSizes, slice.request_sizes);
    addDistribution(this.responseSizes, slice.response_sizes);
    addDistribution(this.statusCodes, slice.status_codes);
  }

  /** Adds what `addTimes` has taken. */
  mergeTimes(other: RequestSums): void {
    this.requests += other.requests;
    this.errors += other.errors;
    this.timedRequests += other.timedRequests;
    this.responseTimeUs += other.responseTimeUs;
    this.maxResponseTimeUs = Math.max(this.maxResponseTimeUs, other.maxResponseTimeUs);
    this.requestBytes += other.requestBytes;
    this.responseBytes += other.responseBytes;
    addCounts(this.latency, other.latency);
  }
}

function addCounts(sums: Map<number, number>, counts: ReadonlyMap<number, number>): void {
  for (const [bucket, count] of counts) sums.set(bucket, (sums.get(bucket) ?? 0) + count);
}

const COLON = 58;
const COMMA = 44;
const ZERO = 48;

/** Adds `bucket:count,bucket:count`. By characters: a dashboard has a hundred thousand of them. */
function addDistribution(sums: Map<number, number>, text: string): void {
  let bucket = 0;
  let number = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    if (character === COLON) {
      bucket = number;
      number = 0;
    } else if (character === COMMA) {
      sums.set(bucket, (sums.get(bucket) ?? 0) + number);
      number = 0;
    } else number = number * 10 + character - ZERO;
  }
  if (text !== '') sums.set(bucket, (sums.get(bucket) ?? 0) + number);
}
