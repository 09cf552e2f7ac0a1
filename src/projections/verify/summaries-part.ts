import type { Redis } from 'ioredis';
import type { Pool, PoolClient } from 'pg';
import { readCounterBase } from '../../store/counters.js';
import { loadSeries } from '../load-series.js';
import type { BusinessTypes } from '../summary-delta.js';
import { settingsHash } from '../summary-identity.js';
import { compareSummaries, type NotComparedReason, type SummariesReport } from './compare-summaries.js';
import { ExpectedSummaries } from './expected-summaries.js';
import type { DayRange } from './row-cursor.js';
import type { FactAt } from './table-comparison.js';

export interface SummariesParts {
  readonly pool: Pool;
  readonly redis: Redis;
  readonly business: BusinessTypes;
  readonly retentionDays: number;
  readonly now: () => number;
}

const DAY_S = 86_400;
/** Past it the keys of a verification that died expire by themselves. */
const MAX_DURATION_S = 6 * 3_600;

/** The part of a verification that needs Redis. Where Redis fails, it is over, and the tables' part goes on. */
export class SummariesPart {
  #expected: ExpectedSummaries | undefined;
  #failure: NotComparedReason | undefined;

  constructor(
    private readonly parts: SummariesParts,
    private readonly days: DayRange,
    private readonly signal: AbortSignal,
  ) {}

  /** @param client within the snapshot of the tables, which contain the log up to `sequence` */
  async begin(client: PoolClient, sequence: number): Promise<void> {
    const [base, registry] = [await readCounterBase(client), await loadSeries(client)];
    const { redis, pool, business, retentionDays, now } = this.parts;
    const keptSeconds = retentionDays * DAY_S;
    const expiresAtS = Math.ceil(now() / 1000) + MAX_DURATION_S;
    await this.#attempt(async () => {
      this.#expected = new ExpectedSummaries(redis, pool, { business, keptSeconds, expiresAtS }, sequence);
      await this.#expected.begin(base, registry);
    });
  }

  add(facts: readonly FactAt[]): Promise<void> {
    return this.#attempt(async () => this.#expected?.add(facts));
  }

  /** Takes from the outbox what is new, before it is dropped there. */
  follow(): Promise<void> {
    return this.#attempt(async () => {
      if ((await this.#expected?.follow()) === false) this.#failure = 'replaced_meanwhile';
    });
  }

  settle(): Promise<void> {
    return this.#attempt(async () => this.#expected?.settle());
  }

  async compare(): Promise<SummariesReport> {
    let report: SummariesReport | undefined;
    await this.#attempt(async () => {
      if (this.#expected === undefined) return;
      const { redis, business, retentionDays, now } = this.parts;
      const isAll = !Number.isFinite(this.days.first) && !Number.isFinite(this.days.last);
      report = await compareSummaries(redis, this.#expected, {
        settingsHash: settingsHash(business, retentionDays),
        retentionDays,
        days: isAll ? undefined : this.days,
        now,
        signal: this.signal,
      });
    });
    return report ?? { state: 'not_compared', reason: this.#failure ?? 'redis_away' };
  }

  /** Takes the keys away; where Redis does not answer, they expire. */
  async remove(): Promise<void> {
    await this.#expected?.remove().catch(() => undefined);
  }

  async #attempt(work: () => Promise<unknown>): Promise<void> {
    if (this.#failure !== undefined) return;
    try {
      await work();
    } catch (error) {
      this.signal.throwIfAborted();
      this.#failure = await this.#failureOf(error);
    }
  }

  /** @throws the error, where Redis is not to blame */
  async #failureOf(error: unknown): Promise<NotComparedReason> {
    if (error instanceof Error && error.name === 'ReplyError') return 'redis_refuses';
    try {
      await this.parts.redis.ping();
    } catch {
      return 'redis_away';
    }
    throw error;
  }
}
