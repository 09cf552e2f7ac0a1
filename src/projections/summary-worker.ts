import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { readCheckpoint, SUMMARIES_PROJECTION, TABLES_PROJECTION } from '../store/checkpoints.js';
import type { Lease } from '../store/lease.js';
import { firstKeptDay } from '../store/partitions.js';
import { readPosition } from '../store/summary-position.js';
import { generationPrefix, OTHER, USER_SETS, USERS_KEPT_MS } from '../store/summary-schema.js';
import type { Logger } from '../telemetry/logger.js';
import type { ServiceMetrics } from '../telemetry/service-metrics.js';
import { keepLeading } from './keep-leading.js';
import { Pace } from './pace.js';
import { rebuildSummaries } from './rebuild-summaries.js';
import type { BusinessTypes } from './summary-delta.js';
import { settingsHash } from './summary-identity.js';
import { applyFollowing, mayHaveMore, type OutboxDelta, readDeltas } from './summary-outbox.js';
import { type Command, defineSummaryWrites, SummaryWriter } from './summary-writer.js';

export interface SummaryWorkerDependencies {
  readonly pool: Pool;
  readonly redis: Redis;
  readonly databaseUrl: string;
  readonly business: BusinessTypes;
  readonly retentionDays: number;
  /** The process, for operators. */
  readonly holder: string;
  readonly logger: Logger;
  readonly metrics: ServiceMetrics;
}

export type SummaryState =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'standby' }
  | { readonly kind: 'running'; readonly sequence: number }
  | { readonly kind: 'rebuilding' }
  | { readonly kind: 'retrying'; readonly reason: string };

/** Without a wake-up the outbox is looked at this often; an emptied Redis is noticed in this time, too. */
const POLL_MS = 200;
const STANDBY_POLL_MS = 500;
const RETRY_MS = 500;
/** Applied deltas are kept this long: a Redis that lost its last seconds takes them again without a rebuild. */
const OUTBOX_KEPT_SECONDS = 300;
const CLEAN_INTERVAL_MS = 30_000;
const DAY_S = 86_400;
const POSITION = /^\d{1,18}$/;
/** Who has numbers meanwhile is left half of the time by a fold of new ones. */
const NICE_RATIO = 1;
/** What Redis, or our script, says of a key that holds something else than it should. */
const FOREIGN_TYPE = /unexpected type|WRONGTYPE/;

/**
 * Takes deltas from the outbox in order and adds them to the summaries in Redis.
 *
 * The position kept in Redis is the only progress. Where it fits no delta of the outbox, Redis was emptied, or an older
 * copy came back, or Postgres was restored: then the summaries are rebuilt from the tables.
 *
 * States: standby (another process has the lease) → running ⇄ rebuilding → retrying (a server is away: the lease is given
 * back, for a standby may reach it) → running or standby. Each lead has an epoch, under which alone it can write: a
 * worker that was stopped and wakes after another took over changes nothing in Redis, nor in the outbox.
 */
export class SummaryWorker {
  readonly #stopping = new AbortController();
  readonly #settingsHash: string;
  readonly #keptSeconds: number;
  #state: SummaryState = { kind: 'stopped' };
  #running: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #signalled = false;
  #cleanedAtMs = 0;

  constructor(private readonly dependencies: SummaryWorkerDependencies) {
    this.#settingsHash = settingsHash(dependencies.business, dependencies.retentionDays);
    this.#keptSeconds = dependencies.retentionDays * DAY_S;
    defineSummaryWrites(dependencies.redis);
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
    await keepLeading({
      databaseUrl: this.dependencies.databaseUrl,
      name: 'summaries',
      signal: this.#stopping.signal,
      work: (lease) => this.#lead(lease),
      onStandby: () => {
        this.#state = { kind: 'standby' };
      },
      standbyMs: STANDBY_POLL_MS,
      onFailure: (reason) => {
        if (this.#state.kind !== 'retrying') this.dependencies.logger.warn({ reason }, 'The summaries wait');
        this.#state = { kind: 'retrying', reason };
      },
      retryMs: RETRY_MS,
    });
  }

  /** Works for as long as this process has the lease. */
  async #lead(lease: Lease): Promise<void> {
    const { pool, redis, holder } = this.dependencies;
    const signal = AbortSignal.any([this.#stopping.signal, lease.signal]);
    const writer = await SummaryWriter.begin(pool, redis, holder);
    while (!signal.aborted) {
      this.#signalled = false;
      const more = await this.#stepOrHeal(writer, signal);
      await this.#clean(writer);
      if (!more) await this.#waitForWake(POLL_MS);
    }
    if (!this.#stopping.signal.aborted) throw new Error('The lease was lost');
  }

  /** A key of another type than ours was written by somebody else: all is built anew. */
  async #stepOrHeal(writer: SummaryWriter, signal: AbortSignal): Promise<boolean> {
    try {
      return await this.#step(writer, signal);
    } catch (error) {
      if (!(error instanceof Error && FOREIGN_TYPE.test(error.message))) throw error;
      return await this.#rebuild('foreign_key_type', writer, signal);
    }
  }

  /** @returns whether there may be more to do at once */
  async #step(writer: SummaryWriter, signal: AbortSignal): Promise<boolean> {
    const { redis, pool } = this.dependencies;
    const found = await readPosition(redis);
    if (found === undefined) return await this.#rebuild('redis_empty', writer, signal);
    if (found.business !== this.#settingsHash) return await this.#rebuild('settings_changed', writer, signal);
    if (!POSITION.test(found.position)) return await this.#rebuild('position_unreadable', writer, signal);
    const deltas = await readDeltas(pool, found.position);
    if (found.tables !== (await this.#tablesGeneration()))
      return await this.#rebuild('tables_replaced', writer, signal, () => this.#follow(writer));
    if (deltas[0] === undefined) return await this.#checkCaughtUp(found.position, writer, signal);
    if (deltas[0].from !== found.position) return await this.#rebuild('outbox_gap', writer, signal);
    return await this.#apply(writer, found.generation, deltas);
  }

  /** Read behind the deltas: a delta of changed tables is not taken for one of those before. */
  async #tablesGeneration(): Promise<string> {
    return String((await readCheckpoint(this.dependencies.pool, TABLES_PROJECTION))?.generation ?? 0);
  }

  async #apply(writer: SummaryWriter, generation: string, deltas: readonly OutboxDelta[]): Promise<boolean> {
    for (const delta of deltas) {
      const reached = await writer.apply(generation, delta, this.#keptSeconds);
      if (reached !== delta.to) return true;
      this.#atSequence(Number(delta.to));
    }
    return mayHaveMore(deltas);
  }

  /** Keeps what is read up to date while another generation is folded; where it cannot be, it stays as it is. */
  async #follow(writer: SummaryWriter): Promise<void> {
    const { pool, redis } = this.dependencies;
    const found = await readPosition(redis);
    if (found === undefined || !POSITION.test(found.position)) return;
    await applyFollowing(pool, writer, found.generation, found.position, this.#keptSeconds);
  }

  #atSequence(sequence: number): void {
    this.#state = { kind: 'running', sequence };
  }

  /** No delta follows the position: either it is the checkpoint, or one of the two was rolled back. */
  async #checkCaughtUp(position: string, writer: SummaryWriter, signal: AbortSignal): Promise<boolean> {
    const checkpoint = await readCheckpoint(this.dependencies.pool, TABLES_PROJECTION);
    const sequence = checkpoint?.sequence ?? 0;
    if (sequence !== Number(position)) {
      // A delta may have been committed between the two reads.
      const { rows } = await this.dependencies.pool.query('select 1 from summary_outbox where from_sequence = $1', [
        position,
      ]);
      if (rows.length > 0) return true;
      return await this.#rebuild('outbox_gap', writer, signal);
    }
    this.#atSequence(sequence);
    return false;
  }

  /** @param meanwhile is called again and again where readers have an earlier generation; else it is folded in haste */
  async #rebuild(
    reason: string,
    writer: SummaryWriter,
    signal: AbortSignal,
    meanwhile?: () => Promise<void>,
  ): Promise<boolean> {
    const { pool, redis, business, logger, metrics } = this.dependencies;
    // A Redis that was emptied has lost the epoch as well.
    await writer.renew();
    this.#state = { kind: 'rebuilding' };
    // An empty Redis is what every first start finds; whether it was emptied, the service cannot know.
    logger[reason === 'redis_empty' ? 'info' : 'warn']({ reason }, 'Building the summaries from the tables');
    metrics.summaryRebuilds.inc({ reason });
    const { generation, position } = await rebuildSummaries(pool, redis, writer, {
      business,
      settingsHash: this.#settingsHash,
      keptSeconds: this.#keptSeconds,
      pace: new Pace(meanwhile === undefined ? 0 : NICE_RATIO, signal),
      ...(meanwhile === undefined ? {} : { meanwhile }),
    });
    this.#atSequence(Number(position));
    logger.info({ generation, sequence: Number(position) }, 'The summaries are built');
    return true;
  }

  /** Drops deltas that were applied a while ago, and users whom no window reaches any more, or the tables do not keep. */
  async #clean(writer: SummaryWriter): Promise<void> {
    const nowMs = Date.now();
    if (nowMs - this.#cleanedAtMs < CLEAN_INTERVAL_MS || this.#state.kind !== 'running') return;
    this.#cleanedAtMs = nowMs;
    const { pool, redis } = this.dependencies;
    await pool.query(
      `delete from summary_outbox where to_sequence <= $1 and created_at < now() - make_interval(secs => $2)
       and exists (select from projection_checkpoints where name = $3 and epoch = $4)`,
      [this.#state.sequence, OUTBOX_KEPT_SECONDS, SUMMARIES_PROJECTION, writer.epoch],
    );
    const found = await readPosition(redis);
    if (found === undefined) return;
    const prefix = `${generationPrefix(found.generation)}u:`;
    const before = Math.max(nowMs - USERS_KEPT_MS, firstKeptDay(nowMs, this.dependencies.retentionDays) * DAY_S * 1000);
    const drop = (set: string): Command => ['zremrangebyscore', `${prefix}${set}`, '-inf', `(${before}`];
    for (const set of await userSets(pool)) await writer.write(drop(set));
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
