import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { CountsReader } from './counts-reader.js';
import type { Dashboard } from './dashboard.js';
import { type DashboardContent, type DashboardQuestion, type DashboardSource, keyOf } from './dashboard-source.js';
import { SameAnswers } from './same-answers.js';
import { SameTurn } from './same-turn.js';
import { type HealthThresholds, healthBounds, type ServicesHealth, shapeServicesHealth } from './services-health.js';
import { type FiringAlert, type FiringAlertsReader, shapeSummary } from './summary.js';

/** How did the platform do over a stretch of time? */
export class GetDashboard extends Query<Dashboard> {
  constructor(readonly question: DashboardQuestion) {
    super();
  }
}

@QueryHandler(GetDashboard)
export class GetDashboardHandler implements IQueryHandler<GetDashboard> {
  readonly #turn = new SameTurn<Dashboard>();
  readonly #answers = new SameAnswers<Dashboard>();

  constructor(
    private readonly reader: CountsReader,
    private readonly source: DashboardSource,
    private readonly thresholds: HealthThresholds,
    private readonly firingAlerts: FiringAlertsReader,
    private readonly now: () => number,
  ) {}

  /** @throws QueryUnavailable */
  execute({ question }: GetDashboard): Promise<Dashboard> {
    const key = keyOf(question);
    return this.#turn.ask(key, () => this.#answer(question, key));
  }

  async #answer(question: DashboardQuestion, key: string): Promise<Dashboard> {
    const nowMs = this.now();
    const bounds = healthBounds(this.thresholds, nowMs);
    const [content, { value, degraded }, firing] = await Promise.all([
      this.source.read(question, nowMs),
      this.reader.read((from) => from.serviceCounts(bounds.fromS, bounds.gaugesFromS, nowMs)),
      this.firingAlerts(),
    ]);
    return this.#answers.get(key, nowMs, [content, value, degraded, firing], () => {
      const services = shapeServicesHealth(value, bounds, this.thresholds, nowMs);
      return shapeDashboard({ question, content, services, degraded, firing, nowMs });
    });
  }
}

interface DashboardInput {
  readonly question: DashboardQuestion;
  readonly content: DashboardContent;
  readonly services: ServicesHealth;
  readonly degraded: boolean;
  readonly firing: readonly FiringAlert[];
  readonly nowMs: number;
}

function shapeDashboard({ question, content, services, degraded, firing, nowMs }: DashboardInput): Dashboard {
  const { range, filters } = question;
  const { counts, activeUsers, sessions, comparison, series, top } = content;
  const summary = shapeSummary({
    counts,
    activeUsers,
    services,
    bounds: { seconds: (range.toMs - range.fromMs) / 1000, fromS: range.fromMs / 1000 },
    sessions,
    firing,
    source: 'postgres',
    degraded,
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
