import { type CountsSource, SourceOutdated } from './aggregates.js';
import { QueryUnavailable, unavailable, within } from './unavailable.js';

/** Redis answers in a few milliseconds or not at all. */
const REDIS_TIMEOUT_MS = 1_000;
/** Postgres counts rows; a window of 30 days over millions of them takes seconds. */
const POSTGRES_TIMEOUT_MS = 15_000;
/** Redis that failed is left alone for so long, then tried again beside a query, which does not wait for it. */
const AWAY_MS = 1_000;

/** Redis's side: besides counting, it tells whether it can be asked at all. */
export interface PrimarySource extends CountsSource {
  /**
   * @returns what is to be asked in this moment
   * @throws where the summaries are away, missing or behind the tables
   */
  check(): Promise<CountsSource>;
}

export interface Answered<T> {
  readonly value: T;
  readonly source: CountsSource['name'];
  readonly degraded: boolean;
}

export interface CountsReaderOptions {
  readonly redis: PrimarySource;
  readonly postgres: CountsSource;
  readonly now: () => number;
  /** Told when answers begin to come from Postgres, and why. */
  readonly onFallback?: (reason: string) => void;
}

/**
 * Asks Redis, and Postgres where Redis fails, is emptied, lags behind the tables or is too slow.
 *
 * States: near (Redis is asked) → away (Postgres is asked; after a second one query starts a check of Redis beside its
 * own way) → near. So a Redis that hangs costs one query a wait, not each. Where Postgres does not answer either, Redis is asked once
 * more before the answer is 503.
 */
export class CountsReader {
  /** 0 while Redis is near. */
  #nextCheckMs = 0;
  #checking = false;

  constructor(private readonly options: CountsReaderOptions) {}

  /**
   * @param ask the same question for both sources
   * @throws QueryUnavailable where neither answers
   */
  async read<T>(ask: (source: CountsSource) => Promise<T>): Promise<Answered<T>> {
    if (this.#nextCheckMs === 0) {
      try {
        return { value: await this.#askRedis(ask), source: 'redis', degraded: false };
      } catch (error) {
        // It answers all but this one question.
        if (!(error instanceof SourceOutdated)) this.#leave(error);
      }
    } else {
      this.#checkBeside();
    }
    try {
      return { value: await this.#askPostgres(ask), source: 'postgres', degraded: true };
    } catch (error) {
      // Redis that failed once, seconds ago, is better than no answer. Why it failed has been told.
      const again = await this.#askRedis(ask).then(
        (value): Answered<T> => ({ value, source: 'redis', degraded: false }),
        () => undefined,
      );
      if (again === undefined) throw error;
      return again;
    }
  }

  async #askRedis<T>(ask: (source: CountsSource) => Promise<T>): Promise<T> {
    const { redis } = this.options;
    const work = redis.check().then(ask);
    return await within(REDIS_TIMEOUT_MS, work, () => new Error('Redis does not answer in time'));
  }

  async #askPostgres<T>(ask: (source: CountsSource) => Promise<T>): Promise<T> {
    try {
      return await within(
        POSTGRES_TIMEOUT_MS,
        ask(this.options.postgres),
        () => new QueryUnavailable('The database does not answer in time'),
      );
    } catch (error) {
      throw unavailable(error);
    }
  }

  #leave(error: unknown): void {
    if (this.#nextCheckMs === 0) this.options.onFallback?.(error instanceof Error ? error.message : String(error));
    this.#nextCheckMs = this.options.now() + AWAY_MS;
  }

  #checkBeside(): void {
    if (this.#checking || this.options.now() < this.#nextCheckMs) return;
    this.#checking = true;
    within(REDIS_TIMEOUT_MS, this.options.redis.check(), () => new Error('Redis does not answer in time'))
      .then(
        () => {
          this.#nextCheckMs = 0;
        },
        (error: unknown) => this.#leave(error),
      )
      .finally(() => {
        this.#checking = false;
      });
  }
}
