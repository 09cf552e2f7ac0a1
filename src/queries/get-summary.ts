import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { CountsReader } from './counts-reader.js';
import { type HealthThresholds, healthBounds, shapeServicesHealth } from './services-health.js';
import type { SessionReader } from './session-reader.js';
import { type FiringAlertsReader, type Summary, shapeSummary } from './summary.js';
import { type SummaryWindow, windowBounds } from './windows.js';

/** How is the platform doing? */
export class GetSummary extends Query<Summary> {
  constructor(readonly window: SummaryWindow) {
    super();
  }
}

@QueryHandler(GetSummary)
export class GetSummaryHandler implements IQueryHandler<GetSummary> {
  constructor(
    private readonly reader: CountsReader,
    private readonly sessionReader: SessionReader,
    private readonly thresholds: HealthThresholds,
    private readonly firingAlerts: FiringAlertsReader,
    private readonly now: () => number,
  ) {}

  /** @throws QueryUnavailable */
  async execute({ window }: GetSummary): Promise<Summary> {
    const nowMs = this.now();
    const bounds = windowBounds(window, nowMs);
    const health = healthBounds(this.thresholds, nowMs);
    const { value, source, degraded } = await this.reader.read(async (from) => {
      const [counts, activeUsers, services] = await Promise.all([
        from.windowCounts(bounds.fromS, nowMs),
        from.activeUsers(nowMs),
        from.serviceCounts(health.fromS, health.gaugesFromS, nowMs),
      ]);
      return { counts, activeUsers, services };
    });
    const [sessions, firing] = await Promise.all([this.sessionReader.lengths(window, nowMs), this.firingAlerts()]);
    const services = shapeServicesHealth(value.services, health, this.thresholds, nowMs);
    const { counts, activeUsers } = value;
    return shapeSummary({
      counts,
      activeUsers,
      services,
      bounds,
      sessions,
      firing,
      source,
      degraded,
      nowMs,
    });
  }
}
