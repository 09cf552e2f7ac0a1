import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { CountsReader } from './counts-reader.js';
import { type HealthThresholds, healthBounds, type ServicesHealth, shapeServicesHealth } from './services-health.js';

/** Which services are healthy, and why are the others not? */
export class GetServicesHealth extends Query<ServicesHealth> {}

@QueryHandler(GetServicesHealth)
export class GetServicesHealthHandler implements IQueryHandler<GetServicesHealth> {
  constructor(
    private readonly reader: CountsReader,
    private readonly thresholds: HealthThresholds,
    private readonly now: () => number,
  ) {}

  /** @throws QueryUnavailable */
  async execute(): Promise<ServicesHealth> {
    const nowMs = this.now();
    const bounds = healthBounds(this.thresholds, nowMs);
    const { value } = await this.reader.read((from) => from.serviceCounts(bounds.fromS, bounds.gaugesFromS, nowMs));
    return shapeServicesHealth(value, bounds, this.thresholds, nowMs);
  }
}
