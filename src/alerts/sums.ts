import { BUCKET_BOUNDS, bucketOf, bucketValue } from '../store/log-buckets.js';

/** Requests of one series in one interval. Sums of times are whole microseconds. */
export class RequestTally {
  requests = 0;
  errors = 0;
  timedRequests = 0;
  responseTimeUs = 0;
  /** Log bucket of microseconds → how many. */
  readonly latency = new Map<number, number>();

  /** @param timing of the response, where it is known; see `timingOf` */
  addRequest(statusCode: number, timing: Timing | undefined): void {
    this.requests += 1;
    if (statusCode >= 500) this.errors += 1;
    if (timing === undefined) return;
    this.timedRequests += 1;
    this.responseTimeUs += timing.us;
    this.latency.set(timing.bucket, (this.latency.get(timing.bucket) ?? 0) + 1);
  }
}

/** A response time in whole microseconds, and its log bucket. */
export interface Timing {
  readonly us: number;
  readonly bucket: number;
}

export function timingOf(responseTimeMs: number): Timing {
  const us = Math.round(responseTimeMs * 1000);
  return { us, bucket: bucketOf(us) };
}

/** Sums over a window: intervals are added when they enter it, and taken away when they leave. */
export class WindowTally {
  requests = 0;
  errors = 0;
  timedRequests = 0;
  responseTimeUs = 0;
  /** By log bucket; an array, since it is walked through at each evaluation. Undefined where nobody asks for percentiles. */
  readonly #latency: Uint32Array | undefined;

  constructor(withPercentiles: boolean) {
    this.#latency = withPercentiles ? new Uint32Array(BUCKET_BOUNDS.length) : undefined;
  }

  /** @param sign 1 for an interval that enters, -1 for one that leaves */
  add(tally: RequestTally, sign: 1 | -1): void {
    this.requests += sign * tally.requests;
    this.errors += sign * tally.errors;
    this.timedRequests += sign * tally.timedRequests;
    this.responseTimeUs += sign * tally.responseTimeUs;
    const latency = this.#latency;
    if (latency === undefined) return;
    for (const [bucket, count] of tally.latency) latency[bucket] = (latency[bucket] ?? 0) + sign * count;
  }

  /** By nearest rank, ms; undefined where no time is known. See `percentile` in store/log-buckets.ts. */
  percentile(q: number): number | undefined {
    const latency = this.#latency;
    if (latency === undefined || this.timedRequests === 0) return undefined;
    const rank = Math.max(1, Math.ceil(q * this.timedRequests));
    let below = 0;
    for (let bucket = 0; bucket < latency.length; bucket += 1) {
      below += latency[bucket] ?? 0;
      if (below >= rank) return Math.round(bucketValue(bucket)) / 1000;
    }
    return undefined;
  }
}
