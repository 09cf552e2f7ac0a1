import type { ServiceMetrics } from '../telemetry/service-metrics.js';

/** What controllers need beside the buses. A class, so that Nest can hand it out by its type. */
export class HttpContext {
  constructor(
    readonly retentionDays: number,
    /** Asked for by the scrape where it is set. */
    readonly prometheusToken: string | undefined,
    readonly metrics: ServiceMetrics,
    readonly now: () => number,
  ) {}
}
