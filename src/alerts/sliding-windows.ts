import type { ConditionContext, Measure, Thresholds } from './condition.js';
import { RequestTally } from './sums.js';
import type { Measurement, TimeBucket } from './time-buckets.js';

/** What a service measured last, of the buckets that are closed. */
interface ServiceMemory {
  seenMs: number;
  /** Metric → latest measurement, ever. */
  readonly gauges: Map<string, Measurement>;
}

/** Sums over one length of window. */
class Window {
  readonly platform = new RequestTally();
  readonly services = new Map<string, RequestTally>();
  /** Of the event types that rules name. */
  readonly events: Map<string, number>;
  /** How many buckets have left it since the beginning. */
  left = 0;

  constructor(
    readonly lengthMs: number,
    eventTypes: Iterable<string>,
  ) {
    this.events = new Map([...eventTypes].map((type) => [type, 0]));
  }

  add(bucket: TimeBucket, sign: 1 | -1): void {
    this.platform.add(bucket.platform, sign);
    for (const [service, tally] of bucket.services) {
      const sums = this.services.get(service) ?? new RequestTally();
      sums.add(tally, sign);
      if (sums.requests === 0) this.services.delete(service);
      else this.services.set(service, sums);
    }
    for (const type of this.events.keys()) {
      this.events.set(type, (this.events.get(type) ?? 0) + sign * (bucket.events.get(type) ?? 0));
    }
  }
}

/**
 * Keeps the sums of every length of window that the rules have, as buckets are closed one after the other: what enters is
 * added, what leaves is taken away.
 */
export class SlidingWindows {
  readonly #windows: readonly Window[];
  /** Closed buckets that lie in a window, the oldest first; `#dropped` of them were there before. */
  readonly #closed: TimeBucket[] = [];
  #dropped = 0;
  readonly #memory = new Map<string, ServiceMemory>();
  #endMs = 0;

  /**
   * @param eventTypes those that are counted
   * @param seen service → time of its last event, of the time before the first bucket
   */
  constructor(
    lengthsMs: Iterable<number>,
    private readonly intervalMs: number,
    private readonly thresholds: Thresholds,
    eventTypes: readonly string[],
    seen: Iterable<readonly [service: string, seenMs: number]> = [],
  ) {
    this.#windows = [...new Set(lengthsMs)].map((lengthMs) => new Window(lengthMs, eventTypes));
    for (const [service, seenMs] of seen) this.#memory.set(service, { seenMs, gauges: new Map() });
  }

  /** Every service that was ever seen, and when last, ms. */
  *seen(): Generator<readonly [service: string, seenMs: number]> {
    for (const [service, { seenMs }] of this.#memory) yield [service, seenMs];
  }

  /**
   * Moves the end of all windows.
   *
   * @param endMs a whole number of intervals, later than the one before
   * @param bucket that ends there; undefined where nothing happened
   */
  moveTo(endMs: number, bucket: TimeBucket | undefined): void {
    this.#endMs = endMs;
    if (bucket !== undefined) this.#enter(bucket);
    for (const window of this.#windows) {
      const fromMs = endMs - Math.ceil(window.lengthMs / this.intervalMs) * this.intervalMs;
      for (;;) {
        const oldest = this.#closed[window.left - this.#dropped];
        if (oldest === undefined || oldest.startMs >= fromMs) break;
        window.add(oldest, -1);
        window.left += 1;
      }
    }
    const unused = Math.min(...this.#windows.map(({ left }) => left), this.#dropped + this.#closed.length);
    this.#closed.splice(0, unused - this.#dropped);
    this.#dropped = unused;
  }

  /** What a condition is asked about, of one service, or of the platform where none is named. */
  context(lengthMs: number, service: string | undefined, measures: ReadonlySet<Measure>): ConditionContext {
    const window = this.#windows.find((each) => each.lengthMs === lengthMs);
    if (window === undefined) throw new Error(`No window of ${lengthMs} ms is kept`);
    const values: Partial<Record<Measure, number>> = {};
    const tally = service === undefined ? window.platform : window.services.get(service);
    for (const measure of measures) {
      const value = this.#value(measure, tally, service, lengthMs);
      if (value !== undefined) values[measure] = value;
    }
    return { ...values, events: window.events, threshold: this.thresholds };
  }

  /** Undefined where there are no data: no data is no value. */
  #value(
    measure: Measure,
    tally: RequestTally | undefined,
    service: string | undefined,
    lengthMs: number,
  ): number | undefined {
    if (measure === 'seconds_since_seen') {
      const seenMs = service === undefined ? undefined : this.#memory.get(service)?.seenMs;
      return seenMs === undefined ? undefined : Math.max(0, this.#endMs - seenMs) / 1000;
    }
    if (measure === 'cpu_usage' || measure === 'memory_usage') return this.#gauge(measure, service, lengthMs);
    if (measure === 'db_pool_usage') return this.#poolUsage(service, lengthMs);
    if (tally === undefined || tally.requests === 0) return undefined;
    return requestMeasure(measure, tally, lengthMs);
  }

  /** The latest measurement in the window; of the platform, the largest of any service's. */
  #gauge(metric: string, service: string | undefined, lengthMs: number): number | undefined {
    if (service === undefined) return this.#largest((each) => this.#gauge(metric, each, lengthMs));
    const gauge = this.#memory.get(service)?.gauges.get(metric);
    return gauge === undefined || gauge.timeMs < this.#endMs - lengthMs ? undefined : gauge.value;
  }

  #poolUsage(service: string | undefined, lengthMs: number): number | undefined {
    if (service === undefined) return this.#largest((each) => this.#poolUsage(each, lengthMs));
    const active = this.#gauge('db_pool_active', service, lengthMs);
    const max = this.#gauge('db_pool_max', service, lengthMs);
    return active === undefined || max === undefined || max === 0 ? undefined : active / max;
  }

  #largest(of: (service: string) => number | undefined): number | undefined {
    let largest: number | undefined;
    for (const service of this.#memory.keys()) {
      const value = of(service);
      if (value !== undefined && (largest === undefined || value > largest)) largest = value;
    }
    return largest;
  }

  #enter(bucket: TimeBucket): void {
    this.#closed.push(bucket);
    for (const window of this.#windows) window.add(bucket, 1);
    for (const [service, seenMs] of bucket.seen) {
      const memory = this.#memoryOf(service);
      memory.seenMs = Math.max(memory.seenMs, seenMs);
    }
    for (const [service, measurements] of bucket.measurements) {
      const { gauges } = this.#memoryOf(service);
      for (const [metric, measurement] of measurements) gauges.set(metric, measurement);
    }
  }

  #memoryOf(service: string): ServiceMemory {
    const known = this.#memory.get(service);
    if (known !== undefined) return known;
    const made: ServiceMemory = { seenMs: 0, gauges: new Map() };
    this.#memory.set(service, made);
    return made;
  }
}

type RequestMeasure = Exclude<Measure, 'seconds_since_seen' | 'cpu_usage' | 'memory_usage' | 'db_pool_usage'>;

function requestMeasure(measure: RequestMeasure, tally: RequestTally, lengthMs: number): number | undefined {
  switch (measure) {
    case 'requests':
      return tally.requests;
    case 'errors':
      return tally.errors;
    case 'error_rate':
      return tally.errors / tally.requests;
    case 'request_rate':
      return tally.requests / (lengthMs / 1000);
    case 'avg_response_time':
      return tally.timedRequests === 0 ? undefined : tally.responseTimeUs / tally.timedRequests / 1000;
    case 'p50_response_time':
      return tally.percentile(0.5);
    case 'p95_response_time':
      return tally.percentile(0.95);
    case 'p99_response_time':
      return tally.percentile(0.99);
  }
}
