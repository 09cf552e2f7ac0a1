import type { ConditionContext, Thresholds } from './condition.js';
import type { WindowDemand } from './evaluate.js';
import type { Gauges } from './measures.js';
import { type MutableContext, newContext, setMeasures } from './measures.js';
import { WindowTally } from './sums.js';
import type { TimeBucket } from './time-buckets.js';

/** What a service measured last, of the buckets that are closed. */
interface ServiceMemory extends Gauges {
  seenMs: number;
}

/** What conditions are asked about, of one service or of the platform, over one length of window. */
export interface WindowView {
  /** PLATFORM for the platform. */
  readonly service: string;
  readonly context: ConditionContext;
  /** Whether more than the time has changed since the evaluation before. */
  readonly isChanged: boolean;
}

/** Key of the platform among services, which have no empty name. */
export const PLATFORM = '';

/** One view, as its window keeps it. */
class View implements WindowView {
  readonly context: MutableContext;
  tally: WindowTally | undefined;
  isChanged = true;

  constructor(
    readonly service: string,
    events: ReadonlyMap<string, number>,
    threshold: Thresholds,
  ) {
    this.context = newContext(events, threshold);
  }
}

/** Sums over one length of window, and what follows from them. */
class Window {
  /** By name, so that what is told has one order. */
  views: View[] = [];
  readonly platform: View;
  /** Of the event types that rules name. */
  readonly #events: Map<string, number>;
  readonly #byService = new Map<string, View>();
  readonly #withPercentiles: boolean;
  readonly #asksSeconds: boolean;
  /** How many buckets have left it since the beginning. */
  left = 0;

  constructor(
    readonly demand: WindowDemand,
    /** A whole number of intervals. */
    readonly lengthMs: number,
    private readonly thresholds: Thresholds,
  ) {
    this.#events = new Map([...demand.eventTypes].map((type) => [type, 0]));
    this.#withPercentiles = [...demand.measures].some((measure) => /^p\d\d_/.test(measure));
    this.#asksSeconds = demand.measures.has('seconds_since_seen');
    this.platform = new View(PLATFORM, this.#events, thresholds);
  }

  addService(service: string): void {
    if (!this.demand.ofServices) return;
    const view = new View(service, this.#events, this.thresholds);
    this.#byService.set(service, view);
    const place = this.views.findIndex((each) => each.service > service);
    this.views.splice(place < 0 ? this.views.length : place, 0, view);
  }

  add(bucket: TimeBucket, sign: 1 | -1): void {
    if (this.demand.ofPlatform) this.#addTally(this.platform, bucket, sign);
    if (this.demand.ofServices) {
      for (const service of bucket.seen.keys()) {
        const view = this.#byService.get(service);
        if (view !== undefined) this.#addTally(view, bucket, sign);
      }
    }
    for (const [type, count] of this.#events) {
      const change = bucket.events.get(type) ?? 0;
      if (change === 0) continue;
      this.#events.set(type, count + sign * change);
      for (const view of this.views) view.isChanged = true;
      this.platform.isChanged = true;
    }
  }

  #addTally(view: View, bucket: TimeBucket, sign: 1 | -1): void {
    view.isChanged = true;
    const tally = view.service === PLATFORM ? bucket.platform : bucket.services.get(view.service);
    if (tally === undefined) return;
    view.tally ??= new WindowTally(this.#withPercentiles);
    view.tally.add(tally, sign);
    if (view.tally.requests === 0) view.tally = undefined;
  }

  /** Brings the contexts up to date; what has not changed is left as it is, but for the time. */
  refresh(endMs: number, memory: ReadonlyMap<string, ServiceMemory>): void {
    const { measures } = this.demand;
    const fromMs = endMs - this.lengthMs;
    for (const view of this.views) {
      const of = memory.get(view.service);
      if (of === undefined) continue;
      if (view.isChanged) setMeasures(view.context, measures, view.tally, [of], { fromMs, lengthMs: this.lengthMs });
      if (this.#asksSeconds) view.context.seconds_since_seen = Math.max(0, endMs - of.seenMs) / 1000;
    }
    if (!this.demand.ofPlatform || !this.platform.isChanged) return;
    const { context, tally } = this.platform;
    setMeasures(context, measures, tally, memory.values(), { fromMs, lengthMs: this.lengthMs });
  }

  /** Before the next bucket closes. */
  settle(): void {
    for (const view of this.views) view.isChanged = false;
    this.platform.isChanged = false;
  }
}

/**
 * Keeps the sums of every length of window that the rules have, as buckets are closed one after the other: what enters is
 * added, what leaves is taken away.
 */
export class SlidingWindows {
  readonly #windows: ReadonlyMap<number, Window>;
  /** Closed buckets that lie in a window, the oldest first; `#dropped` of them were there before. */
  readonly #closed: TimeBucket[] = [];
  #dropped = 0;
  readonly #memory = new Map<string, ServiceMemory>();

  /**
   * @param demands one for each length of window
   * @param seen service → time of its last event, of the time before the first bucket
   */
  constructor(
    demands: Iterable<WindowDemand>,
    intervalMs: number,
    thresholds: Thresholds,
    seen: Iterable<readonly [service: string, seenMs: number]> = [],
  ) {
    this.#windows = new Map(
      [...demands].map((demand) => {
        const lengthMs = Math.ceil(demand.windowMs / intervalMs) * intervalMs;
        return [demand.windowMs, new Window(demand, lengthMs, thresholds)];
      }),
    );
    for (const [service, seenMs] of seen) this.#memoryOf(service).seenMs = seenMs;
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
    for (const window of this.#windows.values()) window.settle();
    if (bucket !== undefined) this.#enter(bucket);
    let unused = this.#dropped + this.#closed.length;
    for (const window of this.#windows.values()) {
      for (;;) {
        const oldest = this.#closed[window.left - this.#dropped];
        if (oldest === undefined || oldest.startMs >= endMs - window.lengthMs) break;
        window.add(oldest, -1);
        window.left += 1;
      }
      unused = Math.min(unused, window.left);
      window.refresh(endMs, this.#memory);
    }
    this.#closed.splice(0, unused - this.#dropped);
    this.#dropped = unused;
  }

  /** What a condition is asked about, of each service in the order of their names. Good until the next move. */
  services(windowMs: number): readonly WindowView[] {
    return this.#window(windowMs).views;
  }

  /** The same of the platform. */
  platform(windowMs: number): WindowView {
    return this.#window(windowMs).platform;
  }

  #window(windowMs: number): Window {
    const window = this.#windows.get(windowMs);
    if (window === undefined) throw new Error(`No window of ${windowMs} ms is kept`);
    return window;
  }

  #enter(bucket: TimeBucket): void {
    this.#closed.push(bucket);
    for (const [service, seenMs] of bucket.seen) {
      const memory = this.#memoryOf(service);
      memory.seenMs = Math.max(memory.seenMs, seenMs);
    }
    for (const [service, measurements] of bucket.measurements) {
      const { gauges } = this.#memoryOf(service);
      for (const [metric, measurement] of measurements) gauges.set(metric, measurement);
    }
    for (const window of this.#windows.values()) window.add(bucket, 1);
  }

  #memoryOf(service: string): ServiceMemory {
    const known = this.#memory.get(service);
    if (known !== undefined) return known;
    const made: ServiceMemory = { seenMs: 0, gauges: new Map() };
    this.#memory.set(service, made);
    for (const window of this.#windows.values()) window.addService(service);
    return made;
  }
}
