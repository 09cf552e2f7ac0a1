import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import type { Counters } from '../../store/counters.js';
import { generationPrefix } from '../../store/summary-schema.js';
import { applyDelta, defineApplyDelta } from '../apply-delta.js';
import { deltaOfBase } from '../rebuild-summaries.js';
import type { SeriesRegistry } from '../series-registry.js';
import { type BusinessTypes, foldDelta, MAX_ROWS_PER_DELTA } from '../summary-delta.js';
import type { FactAt } from './table-comparison.js';

export interface ExpectedOptions {
  readonly business: BusinessTypes;
  readonly keptSeconds: number;
  /** When the keys expire by themselves, should this process die before it takes them away: seconds since 1970. */
  readonly expiresAtS: number;
}

const DELTAS_PER_READ = 100;
const KEYS_PER_SCAN = 1_000;

/**
 * The summaries as the fold of the log has them, in Redis, in a generation that nobody reads. Deltas may be applied in any
 * order, so those that the projector writes meanwhile are taken from the outbox before it forgets them.
 */
export class ExpectedSummaries {
  readonly generation = `verify-${randomUUID().slice(0, 8)}`;
  #step = 0;
  #applying: Promise<void> = Promise.resolve();
  #facts: FactAt[] = [];
  #registry: SeriesRegistry | undefined;

  /** @param sequence the position of the tables that the fold goes to; deltas of the outbox follow it */
  constructor(
    private readonly redis: Redis,
    private readonly pool: Pool,
    private readonly options: ExpectedOptions,
    private sequence: number,
  ) {
    defineApplyDelta(redis);
  }

  /** The position that is contained once everything was added. */
  get position(): number {
    return this.sequence;
  }

  get meta(): string {
    return `${generationPrefix(this.generation)}meta`;
  }

  /** @param base what days contributed to the counters that were dropped */
  async begin(base: Counters, registry: SeriesRegistry): Promise<void> {
    this.#registry = registry;
    await this.redis.hset(this.meta, { sequence: nameOf(this.#step) });
    await this.redis.expireat(this.meta, this.options.expiresAtS);
    await this.#apply(JSON.stringify(deltaOfBase(base)));
  }

  /** Adds rows; Redis works on them while the caller goes on. */
  async add(facts: readonly FactAt[]): Promise<void> {
    for (const fact of facts) {
      this.#facts.push(fact);
      if (this.#facts.length === MAX_ROWS_PER_DELTA) await this.#foldFacts();
    }
  }

  async #foldFacts(): Promise<void> {
    if (this.#registry === undefined) throw new Error('begin comes first');
    const delta = JSON.stringify(foldDelta(this.#facts, this.#registry, this.options.business));
    this.#facts = [];
    await this.#applying;
    this.#applying = this.#apply(delta);
    // Taken up with the next; until then Node must not call it unhandled.
    this.#applying.catch(() => undefined);
  }

  async #apply(delta: string): Promise<void> {
    const placed = { from: nameOf(this.#step), to: nameOf(this.#step + 1), delta };
    const { keptSeconds, expiresAtS } = this.options;
    const reached = await applyDelta(this.redis, this.generation, placed, { keptSeconds, expiresAtS });
    if (reached !== placed.to) throw new Error(`The keys of the comparison stand at ${reached}`);
    this.#step += 1;
  }

  /**
   * Adds what the projector committed since, up to a sequence or to where it is.
   *
   * @returns false where the outbox does not have, or no longer has, what comes next
   */
  async follow(toSequence?: number): Promise<boolean> {
    while (toSequence === undefined || this.sequence < toSequence) {
      const { rows } = await this.pool.query<{ from_sequence: string; to_sequence: string; delta: string }>(
        `select from_sequence, to_sequence, delta::text as delta from summary_outbox
         where from_sequence >= $1 and to_sequence <= $2 order by from_sequence limit $3`,
        [this.sequence, toSequence ?? Number.MAX_SAFE_INTEGER, DELTAS_PER_READ],
      );
      if (rows.length === 0) return toSequence === undefined;
      await this.#applying;
      for (const row of rows) {
        if (Number(row.from_sequence) !== this.sequence) return false;
        await this.#apply(row.delta);
        this.sequence = Number(row.to_sequence);
      }
    }
    return true;
  }

  /** All rows were added: from here on the position is that of the log, as the worker's is. */
  async settle(): Promise<void> {
    await this.#foldFacts();
    await this.#applying;
    await this.#place();
  }

  /** The same after more deltas. */
  async followTo(toSequence: number): Promise<boolean> {
    await this.redis.hset(this.meta, 'sequence', nameOf(this.#step));
    const isWhole = await this.follow(toSequence);
    await this.#place();
    return isWhole;
  }

  async #place(): Promise<void> {
    await this.redis.hset(this.meta, 'sequence', String(this.sequence));
  }

  /** Takes the keys away. */
  async remove(): Promise<void> {
    await this.#applying.catch(() => undefined);
    for await (const keys of scanKeys(this.redis, generationPrefix(this.generation))) await this.redis.unlink(...keys);
  }
}

/** A step's position is no sequence, so no worker takes it for one. */
function nameOf(step: number): string {
  return `step-${step}`;
}

/** All keys that begin so, some at a time. Those that come or go meanwhile may be left out. */
export async function* scanKeys(redis: Redis, prefix: string): AsyncGenerator<string[]> {
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', KEYS_PER_SCAN);
    if (keys.length > 0) yield keys;
    cursor = next;
  } while (cursor !== '0');
}
