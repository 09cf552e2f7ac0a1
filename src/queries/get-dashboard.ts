import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { CountsReader } from './counts-reader.js';
import type { Dashboard } from './dashboard.js';
import type { DashboardQuestion, DashboardSource } from './dashboard-source.js';
import { type HealthThresholds, healthBounds, shapeServicesHealth } from './services-health.js';
import { type FiringAlertsReader, shapeSummary } from './summary.js';

/** How did the platform do over a stretch of time? */
export class GetDashboard extends Query<Dashboard> {
  constructor(readonly question: DashboardQuestion) {
    super();
  }
}

@QueryHandler(GetDashboard)
export class GetDashboardHandler implements IQueryHandler<GetDashboard> {
  constructor(
    private readonly reader: CountsReader,
    private readonly source: DashboardSource,
    private readonly thresholds: HealthThresholds,
    private readonly firingAlerts: FiringAlertsReader,
    private readonly now: () => number,
  ) {}

  /** @throws QueryUnavailable */
  async execute({ question }: GetDashboard): Promise<Dashboard> {
    const nowMs = this.now();
    const { range, filters } = question;
    const bounds = healthBounds(this.thresholds, nowMs);
    const [content, health, firing] = await Promise.all([
      this.source.read(question, nowMs),
      this.reader.read((from) => from.serviceCounts(bounds.fromS, bounds.gaugesFromS, nowMs)),
      this.firingAlerts(),
    ]);
    const services = shapeServicesHealth(health.value, bounds, this.thresholds, nowMs);
    const { counts, activeUsers, sessions, comparison, series, top } = content;
    const summary = shapeSummary({
      counts,
      activeUsers,
      services,
      bounds: { seconds: (range.toMs - range.fromMs) / 1000, fromS: range.fromMs / 1000 },
      sessions,
      firing,
      source: 'postgres',
      degraded: health.degraded,
      nowMs,
    });
    return {
      from: new Date(range.fromMs).toISOString(),
      to: new Date(range.toMs).toISOString(),
      interval_seconds: range.intervalSeconds,
      generated_at: summary.generated_at,
      summary,
      comparison,
      services: services.services.filter(
        ({ service_name: name }) => filters.service === undefined || name === filters.service,
      ),
      series,
      top,
      alerts: firing,
    };
  }
}
