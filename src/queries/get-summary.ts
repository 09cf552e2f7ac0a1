import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { CountsReader } from './counts-reader.js';
import { SameAnswers } from './same-answers.js';
import { SameTurn } from './same-turn.js';
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
  readonly #turn = new SameTurn<Summary>();
  readonly #answers = new SameAnswers<Summary>();

  constructor(
    private readonly reader: CountsReader,
    private readonly sessionReader: SessionReader,
    private readonly thresholds: HealthThresholds,
    private readonly firingAlerts: FiringAlertsReader,
    private readonly now: () => number,
  ) {}

  /** @throws QueryUnavailable */
  execute({ window }: GetSummary): Promise<Summary> {
    return this.#turn.ask(window, () => this.#answer(window));
  }

  async #answer(window: SummaryWindow): Promise<Summary> {
    const nowMs = this.now();
    const bounds = windowBounds(window, nowMs);
    const health = healthBounds(this.thresholds, nowMs);
    const { value, source, degraded } = await this.reader.read((from) =>
      Promise.all([
        from.windowCounts(bounds.fromS, nowMs),
        from.activeUsers(nowMs),
        from.serviceCounts(health.fromS, health.gaugesFromS, nowMs),
      ]),
    );
    const [sessions, firing] = await Promise.all([this.sessionReader.lengths(window, nowMs), this.firingAlerts()]);
    return this.#answers.get(window, nowMs, [...value, sessions, firing, source, degraded], () => {
      const [counts, activeUsers, ofServices] = value;
      const services = shapeServicesHealth(ofServices, health, this.thresholds, nowMs);
      return shapeSummary({ counts, activeUsers, services, bounds, sessions, firing, source, degraded, nowMs });
    });
  }
}
