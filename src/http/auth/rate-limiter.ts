/** So many requests in so many seconds. */
export interface RateLimit {
  readonly requests: number;
  readonly windowSeconds: number;
}

/** What a bearer has left, in whole requests, and when it will be one more, or all that there may be. */
export interface RateState {
  readonly isAllowed: boolean;
  readonly remaining: number;
  /** Seconds, rounded up: until there is a request again where none is left, else until all are. */
  readonly resetSeconds: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Bearers that are remembered. One that is forgotten begins anew, with all that there may be. */
const MAX_BUCKETS = 10_000;

/**
 * A token bucket for each bearer: `requests` may come at once, and come back evenly over the window. It costs one look into a
 * Map. Each process counts for itself.
 */
export class RateLimiter {
  readonly #buckets = new Map<string, Bucket>();
  readonly #perMs: number;
  /** RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-11): the quota and its window in seconds. */
  readonly policy: string;

  constructor(private readonly limit: RateLimit) {
    this.#perMs = limit.requests / (limit.windowSeconds * 1000);
    this.policy = `"token";q=${limit.requests};w=${limit.windowSeconds}`;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes a request of a bearer. */
  take(subject: string, nowMs: number): RateState {
    const bucket = this.#bucketOf(subject, nowMs);
    const isAllowed = bucket.tokens >= 1;
    if (isAllowed) bucket.tokens -= 1;
    const remaining = Math.max(0, Math.floor(bucket.tokens));
    const wanted = remaining === 0 ? 1 : this.limit.requests;
    return { isAllowed, remaining, resetSeconds: Math.ceil((wanted - bucket.tokens) / this.#perMs / 1000) };
  }

  /** Takes more than one request of a bearer who was let in: what is owed has to come back before the next. */
  charge(subject: string, requests: number, nowMs: number): void {
    const bucket = this.#bucketOf(subject, nowMs);
    bucket.tokens = Math.max(bucket.tokens - requests, -this.limit.requests);
  }

  #bucketOf(subject: string, nowMs: number): Bucket {
    const known = this.#buckets.get(subject);
    if (known === undefined) {
      const bucket = { tokens: this.limit.requests, atMs: nowMs };
      this.#buckets.set(subject, bucket);
      if (this.#buckets.size > MAX_BUCKETS) this.#forgetOldest();
      return bucket;
    }
    const elapsedMs = nowMs - known.atMs;
    if (elapsedMs > 0) known.tokens = Math.min(this.limit.requests, known.tokens + elapsedMs * this.#perMs);
    // Also where the clock was set back: it goes on from there.
    known.atMs = nowMs;
    return known;
  }

  /** A Map keeps the order of insertion. */
  #forgetOldest(): void {
    for (const subject of this.#buckets.keys()) {
      this.#buckets.delete(subject);
      return;
    }
  }
}
