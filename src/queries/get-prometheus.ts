import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { CountsReader } from './counts-reader.js';
import type { MetricFamily } from './exposition.js';
import { platformFamilies } from './prometheus.js';
import type { FiringAlertsReader } from './summary.js';

/** What shall Prometheus scrape of the platform? `renderExposition` makes text of the families. */
export class GetPrometheus extends Query<readonly MetricFamily[]> {}

@QueryHandler(GetPrometheus)
export class GetPrometheusHandler implements IQueryHandler<GetPrometheus> {
  constructor(
    private readonly reader: CountsReader,
    private readonly firingAlerts: FiringAlertsReader,
    private readonly now: () => number,
  ) {}

  /** @throws QueryUnavailable */
  async execute(): Promise<readonly MetricFamily[]> {
    const nowMs = this.now();
    const [{ value }, firing] = await Promise.all([
      this.reader.read((from) => from.platformCounters(nowMs)),
      this.firingAlerts(),
    ]);
    return platformFamilies(value, firing);
  }
}
