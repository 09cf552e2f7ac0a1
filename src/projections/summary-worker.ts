import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { readPosition } from '../store/summary-position.js';
import { readCheckpoint, TABLES_PROJECTION } from '../store/checkpoints.js';
import { generationPrefix, OTHER, USER_SETS, USERS_KEPT_MS } from '../store/summary-schema.js';
import type { Logger } from '../telemetry/logger.js';
import type { ServiceMetrics } from '../telemetry/service-metrics.js';
import { applyDelta, defineApplyDelta } from './apply-delta.js';
import { rebuildSummaries } from './rebuild-summaries.js';
import type { BusinessTypes, SummaryDelta } from './summary-delta.js';

/** Told after each change of the summaries; `minutes` undefined means that anything may have changed. */
export type SummaryListener = (change: {
  readonly generation: string;
  readonly minutes: readonly number[] | undefined;
}) => void;

export interface SummaryWorkerDependencies {
  readonly pool: Pool;
  readonly redis: Redis;
  readonly business: BusinessTypes;
  readonly retentionDays: number;
  readonly logger: Logger;
  readonly metrics: ServiceMetrics;
  readonly onChange: SummaryListener;
}

export type SummaryState =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'running'; readonly sequence: number }
  | { readonly kind: 'rebuilding' }
  | { readonly kind: 'retrying'; readonly reason: string };

/** Without a wake-up the outbox is looked at this often; an emptied Redis is noticed in this time, too. */
const POLL_MS = 500;
const RETRY_MS = 500;
const DELTAS_PER_READ = 20;
/** Applied deltas are kept this long: a Redis that lost its last seconds takes them again without a rebuild. */
const OUTBOX_KEPT_SECONDS = 300;
const CLEAN_INTERVAL_MS = 30_000;
const DAY_S = 86_400;

interface OutboxRow {
  readonly from_sequence: string;
  readonly to_sequence: string;
  readonly delta: SummaryDelta;
}

/**
 * Takes deltas from the outbox in order and adds them to the summaries in Redis.
 *
 * The position kept in Redis is the only progress. Where it fits no delta of the outbox, Redis was emptied, or an older
 * copy came back, or Postgres was restored: then the summaries are rebuilt from the tables.
 */
export class SummaryWorker {
  readonly #stopping = new AbortController();
  readonly #businessHash: string;
  readonly #keptSeconds: number;
  #state: SummaryState = { kind: 'stopped' };
  #running: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #signalled = false;
  #cleanedAtMs = 0;

  constructor(private readonly dependencies: SummaryWorkerDependencies) {
    this.#businessHash = createHash('sha256').update(JSON.stringify(dependencies.business)).digest('hex').slice(0, 16);
    this.#keptSeconds = dependencies.retentionDays * DAY_S;
    defineApplyDelta(dependencies.redis);
  }

  get state(): SummaryState {
    return this.#state;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.wake();
    await this.#running;
    this.#state = { kind: 'stopped' };
  }

  /** There is something new in the outbox. */
  wake(): void {
    this.#signalled = true;
    this.#wake?.();
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        const more = await this.#step();
        await this.#clean();
        if (!more) await this.#waitForWake(POLL_MS);
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        const reason = error instanceof Error ? error.message : String(error);
        if (this.#state.kind !== 'retrying') this.dependencies.logger.warn({ reason }, 'The summaries wait');
        this.#state = { kind: 'retrying', reason };
        await sleep(RETRY_MS, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    }
  }

  /** @returns whether there may be more to do at once */
  async #step(): Promise<boolean> {
    this.#signalled = false;
    const { redis, pool } = this.dependencies;
    const found = await readPosition(redis);
    if (found === undefined) return await this.#rebuild('redis_emptied');
    if (found.business !== this.#businessHash) return await this.#rebuild('business_mapping_changed');
    if (!/^\d+$/.test(found.position)) return await this.#rebuild('position_unreadable');
    const { rows } = await pool.query<OutboxRow>(
      `select from_sequence, to_sequence, delta from summary_outbox
       where from_sequence >= $1 order by from_sequence limit $2`,
      [found.position, DELTAS_PER_READ],
    );
    if (rows[0] === undefined) return await this.#checkCaughtUp(found.position);
    if (rows[0].from_sequence !== found.position) return await this.#rebuild('outbox_gap');
    return await this.#apply(found.generation, rows);
  }

  async #apply(generation: string, rows: readonly OutboxRow[]): Promise<boolean> {
    const { redis, onChange } = this.dependencies;
    const minutes = new Set<number>();
    let applied: string | undefined;
    for (const { from_sequence: from, to_sequence: to, delta } of rows) {
      const reached = await this.#applyOne(generation, { from, to, delta });
      if (reached !== to) break;
      applied = to;
      for (const minute of Object.keys(delta.minutes)) minutes.add(Number(minute));
      for (const minute of Object.keys(delta.services)) minutes.add(Number(minute));
    }
    if (applied === undefined) return true;
    this.#state = { kind: 'running', sequence: Number(applied) };
    this.dependencies.metrics.projectionPosition.set({ projection: 'summaries' }, Number(applied));
    onChange({ generation, minutes: [...minutes] });
    return rows.length === DELTAS_PER_READ || redis.status !== 'ready';
  }

  /** A script that fails by itself found a key of a wrong type: somebody else wrote there, so all is built anew. */
  async #applyOne(
    generation: string,
    placed: { from: string; to: string; delta: SummaryDelta },
  ): Promise<string | null> {
    try {
      return await applyDelta(this.dependencies.redis, generation, placed, this.#keptSeconds);
    } catch (error) {
      if (error instanceof Error && error.message.includes('unexpected type')) {
        await this.#rebuild('foreign_key_type');
        return null;
      }
      throw error;
    }
  }

  /** No delta follows the position: either it is the checkpoint, or one of the two was rolled back. */
  async #checkCaughtUp(position: string): Promise<boolean> {
    const checkpoint = await readCheckpoint(this.dependencies.pool, TABLES_PROJECTION);
    const sequence = checkpoint?.sequence ?? 0;
    if (sequence !== Number(position)) {
      // A delta may have been committed between the two reads.
      const { rows } = await this.dependencies.pool.query('select 1 from summary_outbox where from_sequence = $1', [
        position,
      ]);
      if (rows.length > 0) return true;
      return await this.#rebuild('outbox_gap');
    }
    this.#state = { kind: 'running', sequence };
    return false;
  }

  async #rebuild(reason: string): Promise<boolean> {
    const { pool, redis, business, logger, metrics, onChange } = this.dependencies;
    this.#state = { kind: 'rebuilding' };
    logger.warn({ reason }, 'Rebuilding the summaries from Postgres');
    metrics.summaryRebuilds.inc({ reason });
    const { generation, position } = await rebuildSummaries(pool, redis, {
      business,
      businessHash: this.#businessHash,
      keptSeconds: this.#keptSeconds,
      signal: this.#stopping.signal,
    });
    this.#state = { kind: 'running', sequence: Number(position) };
    logger.info({ generation, sequence: Number(position) }, 'The summaries are rebuilt');
    onChange({ generation, minutes: undefined });
    return true;
  }

  /** Drops deltas that were applied a while ago, and users whom no window reaches any more. */
  async #clean(): Promise<void> {
    const nowMs = Date.now();
    if (nowMs - this.#cleanedAtMs < CLEAN_INTERVAL_MS || this.#state.kind !== 'running') return;
    this.#cleanedAtMs = nowMs;
    const { pool, redis } = this.dependencies;
    await pool.query(
      `delete from summary_outbox where to_sequence <= $1 and created_at < now() - make_interval(secs => $2)`,
      [this.#state.sequence, OUTBOX_KEPT_SECONDS],
    );
    const found = await readPosition(redis);
    if (found === undefined) return;
    const prefix = `${generationPrefix(found.generation)}u:`;
    for (const set of await userSets(pool))
      await redis.zremrangebyscore(`${prefix}${set}`, '-inf', nowMs - USERS_KEPT_MS);
  }

  #waitForWake(maxWaitMs: number): Promise<void> {
    if (this.#signalled || this.#stopping.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), maxWaitMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }
}

/** Names of the sorted sets of users that there can be. */
async function userSets(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ key: string }>(`select key from known_series where kind = 'feature'`);
  const features = [OTHER, ...rows.map(({ key }) => key)].map((feature) => `${USER_SETS.featurePrefix}${feature}`);
  return [USER_SETS.login, USER_SETS.patient, ...features];
}
