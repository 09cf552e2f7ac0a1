import type { ConditionContext, Measure, Thresholds } from './condition.js';
import type { WindowTally } from './sums.js';
import type { Measurement } from './time-buckets.js';

/** A context that is written anew at each evaluation: making one for every rule and service would be most of the work. */
export type MutableContext = { -readonly [Key in keyof ConditionContext]: ConditionContext[Key] };

/** Metric → latest measurement of a service, ever. */
export interface Gauges {
  readonly gauges: Map<string, Measurement>;
}

export interface WindowSpan {
  /** What was measured before is no longer in the window, ms since 1970. */
  readonly fromMs: number;
  readonly lengthMs: number;
}

/** Without a value of anything. It has all its keys from the beginning, so that engines of JavaScript know its shape. */
export function newContext(events: ReadonlyMap<string, number>, threshold: Thresholds): MutableContext {
  return {
    error_rate: undefined,
    request_rate: undefined,
    requests: undefined,
    errors: undefined,
    avg_response_time: undefined,
    p50_response_time: undefined,
    p95_response_time: undefined,
    p99_response_time: undefined,
    cpu_usage: undefined,
    memory_usage: undefined,
    db_pool_usage: undefined,
    seconds_since_seen: undefined,
    events,
    threshold,
  };
}

/**
 * Sets what is asked for, undefined where there are no data: no data is no value. `seconds_since_seen` depends on the time
 * and is not set here.
 *
 * @param of whose gauges: a service's own, or all services', of which the largest counts
 */
export function setMeasures(
  context: MutableContext,
  measures: ReadonlySet<Measure>,
  tally: WindowTally | undefined,
  of: Iterable<Gauges>,
  span: WindowSpan,
): void {
  const services =
    measures.has('cpu_usage') || measures.has('memory_usage') || measures.has('db_pool_usage') ? [...of] : [];
  for (const measure of measures) {
    switch (measure) {
      case 'seconds_since_seen':
        break;
      case 'cpu_usage':
      case 'memory_usage':
        context[measure] = largest(services, (service) => gauge(service, measure, span));
        break;
      case 'db_pool_usage':
        context[measure] = largest(services, (service) => poolUsage(service, span));
        break;
      default:
        context[measure] = tally === undefined ? undefined : requestMeasure(measure, tally, span.lengthMs);
    }
  }
}

function gauge({ gauges }: Gauges, metric: string, { fromMs }: WindowSpan): number | undefined {
  const measured = gauges.get(metric);
  return measured === undefined || measured.timeMs < fromMs ? undefined : measured.value;
}

function poolUsage(service: Gauges, span: WindowSpan): number | undefined {
  const active = gauge(service, 'db_pool_active', span);
  const max = gauge(service, 'db_pool_max', span);
  return active === undefined || max === undefined || max === 0 ? undefined : active / max;
}

function largest(services: readonly Gauges[], of: (service: Gauges) => number | undefined): number | undefined {
  let found: number | undefined;
  for (const service of services) {
    const value = of(service);
    if (value !== undefined && (found === undefined || value > found)) found = value;
  }
  return found;
}

type RequestMeasure = Exclude<Measure, 'seconds_since_seen' | 'cpu_usage' | 'memory_usage' | 'db_pool_usage'>;

function requestMeasure(measure: RequestMeasure, tally: WindowTally, lengthMs: number): number | undefined {
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
