import { bucketOf, percentileMs } from '../store/log-buckets.js';

/** Requests of one series in one stretch of time. Sums of times are whole microseconds. */
export class RequestTally {
  requests = 0;
  errors = 0;
  timedRequests = 0;
  responseTimeUs = 0;
  /** Log bucket of microseconds → how many. */
  readonly latency = new Map<number, number>();

  addRequest(statusCode: number, responseTimeMs: number | undefined): void {
    this.requests += 1;
    if (statusCode >= 500) this.errors += 1;
    if (responseTimeMs === undefined) return;
    const us = Math.round(responseTimeMs * 1000);
    this.timedRequests += 1;
    this.responseTimeUs += us;
    const bucket = bucketOf(us);
    this.latency.set(bucket, (this.latency.get(bucket) ?? 0) + 1);
  }

  /** @param sign 1 for a bucket that enters a window, -1 for one that leaves it */
  add(other: RequestTally, sign: 1 | -1): void {
    this.requests += sign * other.requests;
    this.errors += sign * other.errors;
    this.timedRequests += sign * other.timedRequests;
    this.responseTimeUs += sign * other.responseTimeUs;
    for (const [bucket, count] of other.latency) {
      const sum = (this.latency.get(bucket) ?? 0) + sign * count;
      if (sum === 0) this.latency.delete(bucket);
      else this.latency.set(bucket, sum);
    }
  }

  percentile(q: number): number | undefined {
    return percentileMs(this.latency, q) ?? undefined;
  }
}
