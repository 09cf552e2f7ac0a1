import type { Pool, PoolClient } from 'pg';
import { readCheckpoint, TABLES_PROJECTION } from '../store/checkpoints.js';
import { type BusinessTypes, MINUTE_S } from '../store/summary-schema.js';
import type { ActiveUsers, CountsSource, PlatformCounters, ServiceCounts, WindowCounts } from './aggregates.js';
import { AnswerCache } from './answer-cache.js';
import { readPlatformCounters } from './postgres-counters.js';
import { readServiceCounts } from './postgres-services.js';
import { readActiveUsersNow, readWindowCounts } from './postgres-windows.js';
import { readOnly, TABLES_REST } from './read-only.js';
import { keptFromS } from './windows.js';

/**
 * Counts in the tables what RedisSource reads from the summaries, and gives the same. An answer is computed once for
 * all who ask at the same time, and kept while the tables have not moved, or for a few times as long as it took.
 */
export class PostgresSource implements CountsSource {
  readonly name = 'postgres';
  readonly #windows = new AnswerCache<WindowCounts>(TABLES_REST);
  readonly #activeUsers = new AnswerCache<ActiveUsers>(TABLES_REST);
  readonly #services = new AnswerCache<readonly ServiceCounts[]>(TABLES_REST);
  readonly #counters = new AnswerCache<PlatformCounters>(TABLES_REST);

  constructor(
    private readonly pool: Pool,
    private readonly business: BusinessTypes,
    private readonly retentionDays = Number.POSITIVE_INFINITY,
  ) {}

  windowCounts(fromS: number, nowMs: number): Promise<WindowCounts> {
    return this.#answer(this.#windows, `${fromS}`, nowMs, (client) =>
      readWindowCounts(client, fromS * 1000, nowMs, this.business),
    );
  }

  activeUsers(nowMs: number): Promise<ActiveUsers> {
    return this.#answer(this.#activeUsers, '', nowMs, (client) => readActiveUsersNow(client, nowMs));
  }

  serviceCounts(fromS: number, gaugesFromS: number, nowMs: number): Promise<readonly ServiceCounts[]> {
    return this.#answer(this.#services, `${fromS} ${gaugesFromS}`, nowMs, (client) =>
      readServiceCounts(client, fromS, gaugesFromS, nowMs, keptFromS(this.retentionDays, nowMs)),
    );
  }

  /** An answer that rests may be older than what is asked for; what the tables hold now is the newest that there is. */
  async platformCounters(nowMs: number, fromSequence: number): Promise<PlatformCounters> {
    const read = (client: PoolClient): Promise<PlatformCounters> =>
      readPlatformCounters(client, nowMs, keptFromS(this.retentionDays, nowMs));
    const rested = await this.#answer(this.#counters, '', nowMs, read);
    return rested.sequence >= fromSequence ? rested : await this.#answer(this.#counters, '', nowMs, read, false);
  }

  async #answer<T>(
    cache: AnswerCache<T>,
    key: string,
    nowMs: number,
    compute: (client: PoolClient) => Promise<T>,
    mayRest = true,
  ): Promise<T> {
    const checkpoint = await readCheckpoint(this.pool, TABLES_PROJECTION);
    const version = `${checkpoint?.sequence ?? 0} ${Math.floor(nowMs / 1000 / MINUTE_S)}`;
    return await cache.get(key, version, () => readOnly(this.pool, compute), mayRest);
  }
}
