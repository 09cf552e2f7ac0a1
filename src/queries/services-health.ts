import { percentileMs } from '../store/log-buckets.js';
import type { ServiceCounts } from './aggregates.js';
import { intervalBounds, passedSeconds, type WindowBounds } from './windows.js';

export type ServiceStatus = 'healthy' | 'degraded' | 'down' | 'unknown';

export interface ServiceHealth {
  readonly service_name: string;
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
  bounds: WindowBounds,
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
  bounds: WindowBounds,
  thresholds: HealthThresholds,
  nowMs: number,
): ServiceHealth {
  const errorRate = counts.requests === 0 ? null : counts.errors / counts.requests;
  const averageMs = counts.timedRequests === 0 ? null : counts.responseTimeUs / counts.timedRequests / 1000;
  const silentSeconds = Math.max(0, (nowMs - counts.lastSeenMs) / 1000);
  const gauge = (metric: string): number | null => counts.gauges.get(metric) ?? null;
  return {
    service_name: counts.serviceName,
    ...verdict(errorRate, averageMs, silentSeconds, thresholds),
    last_seen_at: new Date(counts.lastSeenMs).toISOString(),
    request_rate: counts.requests / passedSeconds(bounds, nowMs),
    error_rate: errorRate,
    avg_response_time_ms: averageMs,
    p95_response_time_ms: percentileMs(counts.latency, 0.95),
    cpu_usage: gauge('cpu_usage'),
    memory_usage: gauge('memory_usage'),
    db_pool: { active: gauge('db_pool_active'), idle: gauge('db_pool_idle'), max: gauge('db_pool_max') },
  };
}

function verdict(
  errorRate: number | null,
  averageMs: number | null,
  silentSeconds: number,
  thresholds: HealthThresholds,
): Pick<ServiceHealth, 'status' | 'reasons'> {
  const { intervalSeconds } = thresholds;
  const silence = `silent for ${Math.floor(silentSeconds)} s`;
  if (silentSeconds >= SILENT_INTERVALS * intervalSeconds) return { status: 'down', reasons: [silence] };
  const reasons: string[] = [];
  if (errorRate !== null && errorRate > thresholds.errorRate) {
    reasons.push(`error rate ${errorRate.toFixed(4)} is above ${thresholds.errorRate}`);
  }
  if (averageMs !== null && averageMs > thresholds.responseTimeMs) {
    reasons.push(`average response time ${averageMs.toFixed(1)} ms is above ${thresholds.responseTimeMs} ms`);
  }
  if (reasons.length > 0) return { status: 'degraded', reasons };
  if (silentSeconds > intervalSeconds) return { status: 'unknown', reasons: [silence] };
  return { status: 'healthy', reasons: [] };
}
