import type { ProjectionStatus } from '../queries/get-status.js';
import type { ServiceMetrics } from '../telemetry/service-metrics.js';

/** Sets what the scrape tells of the projections. What is not known, because a server is away, is left out. */
export function setProjectionGauges(metrics: ServiceMetrics, projections: readonly ProjectionStatus[]): void {
  const gauges = [
    [metrics.projectionPosition, 'sequence'],
    [metrics.projectionLagEvents, 'lag_events'],
    [metrics.projectionLagSeconds, 'lag_seconds'],
    [metrics.projectionRate, 'events_per_second'],
    [metrics.projectionEpoch, 'epoch'],
  ] as const;
  for (const [gauge, field] of gauges) {
    gauge.reset();
    for (const projection of projections) {
      const value = projection[field];
      if (value !== null) gauge.set({ projection: projection.name }, value);
    }
  }
}
