import type { LogEvent } from '../events/kinds.js';
import { RequestTally, timingOf } from './sums.js';

/** The latest measurement of a metric, by its time and then by its place in the log. */
export interface Measurement {
  readonly timeMs: number;
  readonly sequence: number;
  readonly value: number;
}

/** What happened in one interval, cut by `occurred_at`. */
export class TimeBucket {
  readonly platform = new RequestTally();
  readonly services = new Map<string, RequestTally>();
  /** Service → metric → latest measurement. */
  readonly measurements = new Map<string, Map<string, Measurement>>();
  /** Service → time of its latest event, ms. */
  readonly seen = new Map<string, number>();
  readonly events = new Map<string, number>();

  /** @param startMs the bucket is [startMs, startMs + the interval) */
  constructor(readonly startMs: number) {}

  add(event: LogEvent): void {
    if (event.kind === 'user') {
      const { event_type: type } = event.body;
      this.events.set(type, (this.events.get(type) ?? 0) + 1);
      return;
    }
    const { service_name: service } = event.body;
    const seenMs = this.seen.get(service);
    if (seenMs === undefined || seenMs < event.occurredAtMs) this.seen.set(service, event.occurredAtMs);
    if (event.kind === 'api') this.#addRequest(service, event.body.status_code, event.body.response_time_ms);
    else this.#addMeasurement(service, event.body.metric_name, event.occurredAtMs, event.sequence, event.body.value);
  }

  #addRequest(service: string, statusCode: number, responseTimeMs: number | undefined): void {
    let tally = this.services.get(service);
    if (tally === undefined) {
      tally = new RequestTally();
      this.services.set(service, tally);
    }
    const timing = responseTimeMs === undefined ? undefined : timingOf(responseTimeMs);
    tally.addRequest(statusCode, timing);
    this.platform.addRequest(statusCode, timing);
  }

  #addMeasurement(service: string, metric: string, timeMs: number, sequence: number, value: number): void {
    const ofService = this.measurements.get(service) ?? new Map<string, Measurement>();
    this.measurements.set(service, ofService);
    const known = ofService.get(metric);
    const isLater =
      known === undefined || timeMs > known.timeMs || (timeMs === known.timeMs && sequence > known.sequence);
    if (isLater) ofService.set(metric, { timeMs, sequence, value });
  }
}
