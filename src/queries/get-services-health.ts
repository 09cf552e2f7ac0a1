import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { CountsReader } from './counts-reader.js';
import { SameAnswers } from './same-answers.js';
import { SameTurn } from './same-turn.js';
import { type HealthThresholds, healthBounds, type ServicesHealth, shapeServicesHealth } from './services-health.js';

/** Which services are healthy, and why are the others not? */
export class GetServicesHealth extends Query<ServicesHealth> {}

@QueryHandler(GetServicesHealth)
export class GetServicesHealthHandler implements IQueryHandler<GetServicesHealth> {
  readonly #turn = new SameTurn<ServicesHealth>();
  readonly #answers = new SameAnswers<ServicesHealth>();

  constructor(
    private readonly reader: CountsReader,
    private readonly thresholds: HealthThresholds,
    private readonly now: () => number,
  ) {}

  /** @throws QueryUnavailable */
  execute(): Promise<ServicesHealth> {
    return this.#turn.ask('', () => this.#answer());
  }

  async #answer(): Promise<ServicesHealth> {
    const nowMs = this.now();
    const bounds = healthBounds(this.thresholds, nowMs);
    const { value } = await this.reader.read((from) => from.serviceCounts(bounds.fromS, bounds.gaugesFromS, nowMs));
    return this.#answers.get('', nowMs, [value], () => shapeServicesHealth(value, bounds, this.thresholds, nowMs));
  }
}
