import { NATS_METRICS } from '../store/summary-schema.js';
import type { ServiceCounts } from './aggregates.js';
import { responsePercentileMs } from './summary.js';
import { intervalBounds, passedSeconds, type WindowBounds } from './windows.js';

export type ServiceStatus = 'healthy' | 'degraded' | 'down' | 'unknown';

/** What a NATS service says when asked (`$SRV.STATS`): of all its instances, since they started. */
export interface NatsHealth {
  readonly instances: number;
  readonly requests: number;
  readonly errors: number;
  readonly average_processing_time_ms: number | null;
}

export interface ServiceHealth {
  readonly service_name: string;
  /** Who spoke for it in the last three intervals; none where it is silent. */
  readonly sources: readonly ('events' | 'nats')[];
  readonly status: ServiceStatus;
  readonly reasons: readonly string[];
  readonly last_seen_at: string;
  /** Per second, over the aggregation interval. */
  readonly request_rate: number;
  readonly error_rate: number | null;
  readonly avg_response_time_ms: number | null;
  readonly p95_response_time_ms: number | null;
  readonly cpu_usage: number | null;
  readonly memory_usage: number | null;
  /** Null where it does not answer as a NATS service. */
  readonly nats: NatsHealth | null;
  readonly db_pool: { readonly active: number | null; readonly idle: number | null; readonly max: number | null };
}

/** Answer of `GET /metrics/services/health`. Its status is the worst of its services', `unknown` without any. */
export interface ServicesHealth {
  readonly status: ServiceStatus;
  readonly generated_at: string;
  readonly services: readonly ServiceHealth[];
}

export interface HealthThresholds {
  /** 0 to 1. */
  readonly errorRate: number;
  readonly responseTimeMs: number;
  readonly intervalSeconds: number;
}

/** Silent for so many intervals, a service counts as down, and what it measured says nothing about now. */
export const SILENT_INTERVALS = 3;
const WORST_FIRST: readonly ServiceStatus[] = ['down', 'degraded', 'unknown', 'healthy'];

export interface HealthBounds extends WindowBounds {
  /** Older measurements say nothing about now. */
  readonly gaugesFromS: number;
}

/** What the health of services is judged by: the last aggregation interval, and measurements of the last three. */
export function healthBounds({ intervalSeconds }: HealthThresholds, nowMs: number): HealthBounds {
  const bounds = intervalBounds(intervalSeconds, nowMs);
  return { ...bounds, gaugesFromS: bounds.fromS - (SILENT_INTERVALS - 1) * intervalSeconds };
}

/**
 * Judges each service by the last aggregation interval: `degraded` where a threshold is exceeded, `down` after three
 * intervals of silence, `unknown` in between.
 */
export function shapeServicesHealth(
  counts: readonly ServiceCounts[],
  bounds: HealthBounds,
  thresholds: HealthThresholds,
  nowMs: number,
): ServicesHealth {
  const services = counts.map((service) => judge(service, bounds, thresholds, nowMs));
  return {
    status: WORST_FIRST.find((status) => services.some((service) => service.status === status)) ?? 'unknown',
    generated_at: new Date(nowMs).toISOString(),
    services,
  };
}

function judge(
  counts: ServiceCounts,
  bounds: HealthBounds,
  thresholds: HealthThresholds,
  nowMs: number,
): ServiceHealth {
  const errorRate = counts.requests === 0 ? null : counts.errors / counts.requests;
  const averageMs = counts.timedRequests === 0 ? null : counts.responseTimeUs / counts.timedRequests / 1000;
  const gauge = (metric: string): number | null => counts.gauges.get(metric) ?? null;
  const nats = natsHealth(gauge);
  const reasons = [...reasonsOfEvents(errorRate, averageMs, thresholds), ...reasonsOfNats(nats, thresholds)];
  return {
    service_name: counts.serviceName,
    ...verdict(reasons, counts.lastSeenMs, thresholds, nowMs),
    sources: sourcesOf(counts, nats, bounds),
    last_seen_at: new Date(counts.lastSeenMs).toISOString(),
    request_rate: counts.requests / passedSeconds(bounds, nowMs),
    error_rate: errorRate,
    avg_response_time_ms: averageMs,
    p95_response_time_ms: responsePercentileMs(counts, 0.95),
    cpu_usage: gauge('cpu_usage'),
    memory_usage: gauge('memory_usage'),
    nats,
    db_pool: { active: gauge('db_pool_active'), idle: gauge('db_pool_idle'), max: gauge('db_pool_max') },
  };
}

function natsHealth(gauge: (metric: string) => number | null): NatsHealth | null {
  const instances = gauge(NATS_METRICS.instances);
  if (instances === null) return null;
  return {
    instances,
    requests: gauge(NATS_METRICS.requests) ?? 0,
    errors: gauge(NATS_METRICS.errors) ?? 0,
    average_processing_time_ms: gauge(NATS_METRICS.averageProcessingTime),
  };
}

const NATS_METRIC_NAMES: ReadonlySet<string> = new Set(Object.values(NATS_METRICS));

function sourcesOf(counts: ServiceCounts, nats: NatsHealth | null, bounds: HealthBounds): ServiceHealth['sources'] {
  const isRecent = counts.lastSeenMs >= bounds.gaugesFromS * 1000;
  const hasEvents = counts.requests > 0 || [...counts.gauges.keys()].some((name) => !NATS_METRIC_NAMES.has(name));
  const sources: ('events' | 'nats')[] = [];
  // What was seen lately and is no answer to NATS is an event that is not counted here.
  if (hasEvents || (isRecent && nats === null)) sources.push('events');
  if (nats !== null) sources.push('nats');
  return sources;
}

function reasonsOfEvents(errorRate: number | null, averageMs: number | null, thresholds: HealthThresholds): string[] {
  const reasons: string[] = [];
  if (errorRate !== null && errorRate > thresholds.errorRate) {
    reasons.push(`error rate ${errorRate.toFixed(4)} is above ${thresholds.errorRate}`);
  }
  if (averageMs !== null && averageMs > thresholds.responseTimeMs) {
    reasons.push(`average response time ${averageMs.toFixed(1)} ms is above ${thresholds.responseTimeMs} ms`);
  }
  return reasons;
}

/** NATS services count since they started: nothing is known of the last interval alone, and the reason says so. */
function reasonsOfNats(nats: NatsHealth | null, thresholds: HealthThresholds): string[] {
  if (nats === null || nats.requests === 0) return [];
  const reasons: string[] = [];
  const errorRate = nats.errors / nats.requests;
  const averageMs = nats.average_processing_time_ms;
  if (errorRate > thresholds.errorRate) {
    reasons.push(`error rate ${errorRate.toFixed(4)} on NATS since its start is above ${thresholds.errorRate}`);
  }
  if (averageMs !== null && averageMs > thresholds.responseTimeMs) {
    const limit = `${thresholds.responseTimeMs} ms`;
    reasons.push(`average processing time ${averageMs.toFixed(1)} ms on NATS since its start is above ${limit}`);
  }
  return reasons;
}

/** The silence names a time and not its length, so that the text stays the same while nothing changes. */
function verdict(
  reasons: readonly string[],
  lastSeenMs: number,
  { intervalSeconds }: HealthThresholds,
  nowMs: number,
): Pick<ServiceHealth, 'status' | 'reasons'> {
  const silentSeconds = Math.max(0, (nowMs - lastSeenMs) / 1000);
  const silence = `no event since ${new Date(lastSeenMs).toISOString()}`;
  if (silentSeconds >= SILENT_INTERVALS * intervalSeconds) return { status: 'down', reasons: [silence] };
  if (reasons.length > 0) return { status: 'degraded', reasons };
  if (silentSeconds > intervalSeconds) return { status: 'unknown', reasons: [silence] };
  return { status: 'healthy', reasons: [] };
}
