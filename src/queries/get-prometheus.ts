import { type IQueryHandler, Query, QueryHandler } from '@nestjs/cqrs';
import type { PlatformCounters } from './aggregates.js';
import type { CountsReader } from './counts-reader.js';
import type { MetricFamily } from './exposition.js';
import { platformFamilies } from './prometheus.js';
import { SameAnswers } from './same-answers.js';
import { SameTurn } from './same-turn.js';
import type { FiringAlertsReader } from './summary.js';
import { QueryUnavailable } from './unavailable.js';

/** What shall Prometheus scrape of the platform? `renderExposition` makes text of the families. */
export class GetPrometheus extends Query<readonly MetricFamily[]> {}

/** Others may have answered from later positions while this one was counted. */
const MAX_ATTEMPTS = 3;

@QueryHandler(GetPrometheus)
export class GetPrometheusHandler implements IQueryHandler<GetPrometheus> {
  /** The latest log position that was answered from. */
  #answered = 0;
  readonly #turn = new SameTurn<readonly MetricFamily[]>();
  readonly #answers = new SameAnswers<readonly MetricFamily[]>();

  constructor(
    private readonly reader: CountsReader,
    private readonly firingAlerts: FiringAlertsReader,
    private readonly now: () => number,
  ) {}

  /** @throws QueryUnavailable */
  execute(): Promise<readonly MetricFamily[]> {
    return this.#turn.ask('', () => this.#families());
  }

  /** Nothing of it changes by the clock alone, so the second that it is of does not matter. */
  async #families(): Promise<readonly MetricFamily[]> {
    const [counters, firing] = await Promise.all([this.#counters(this.now()), this.firingAlerts()]);
    return this.#answers.get('', 0, [counters, firing], () => platformFamilies(counters, firing));
  }

  /**
   * Never from an earlier log position than an answer before it: to Prometheus a counter that goes back has begun anew,
   * and all that it had counted is added again. Redis that is behind is passed over for Postgres. What Postgres holds is
   * what there is: where that is earlier after all, it was restored, and the counters have begun anew indeed.
   */
  async #counters(nowMs: number): Promise<PlatformCounters> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const asked = this.#answered;
      const { value, source } = await this.reader.read((from) => from.platformCounters(nowMs, asked));
      const isRestored = source === 'postgres' && value.sequence < asked;
      if (value.sequence >= this.#answered || isRestored) {
        this.#answered = value.sequence;
        return value;
      }
    }
    throw new QueryUnavailable('Other scrapes were faster each time');
  }
}
