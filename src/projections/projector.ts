import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { CodecOptions } from '../events/codec.js';
import { beginEpoch, type Checkpoint, noteHalt, noteStreamCreated, TABLES_PROJECTION } from '../store/checkpoints.js';
import { type Lease, lead } from '../store/lease.js';
import { overtake } from '../store/overtake.js';
import { dayOf, type Partitions } from '../store/partitions.js';
import { classifyFailure } from '../store/postgres.js';
import { memoizedRoutes } from '../store/route.js';
import type { Appender } from '../stream/append.js';
import type { ConnectionWatch, JetStreamManager, NatsConnection } from '../stream/connection.js';
import { parkDeadLetters } from '../stream/dead-letters.js';
import { type FedMessage, FeedBroken, LogFeed } from '../stream/log-feed.js';
import { ParkedLetters } from '../stream/parked-letters.js';
import { readMessage } from '../stream/read-message.js';
import { EVENTS_STREAM, findStream } from '../stream/streams.js';
import type { Logger } from '../telemetry/logger.js';
import type { ServiceMetrics } from '../telemetry/service-metrics.js';
import { checkLog } from './check-log.js';
import { findRefusedRows, type WriteMode } from './insert-rows.js';
import { loadSeries } from './load-series.js';
import { forgetRollups } from './mark-rollups.js';
import { BatchBuilder, type FoldContext, type PreparedBatch, setAside } from './prepare-batch.js';
import { type BusinessTypes, foldDelta } from './summary-delta.js';
import { writeBatch } from './write-batch.js';

export interface ProjectorDependencies {
  readonly connection: NatsConnection;
  readonly watch: ConnectionWatch;
  readonly manager: JetStreamManager;
  readonly appender: Appender;
  readonly pool: Pool;
  readonly partitions: Partitions;
  readonly databaseUrl: string;
  readonly codec: CodecOptions;
  readonly business: BusinessTypes;
  readonly holder: string;
  readonly logger: Logger;
  readonly metrics: ServiceMetrics;
  /** Called after each commit, so that the summaries need not wait for their next look at the outbox. */
  readonly onCommit: () => void;
}

export type ProjectorState =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'standby' }
  | { readonly kind: 'running' }
  | { readonly kind: 'retrying'; readonly reason: string }
  /** The log is not the one that the tables were folded from; a person has to look. */
  | { readonly kind: 'halted'; readonly reason: string };

/** Permanent: the durable consumer that operators see. */
const DURABLE = 'projector';
const TAKE_TIMEOUT_MS = 1_000;
/** Small, so that messages are decoded soon after they come, and hardly any is there when garbage is collected. */
const PULL_SIZE = 1_000;
/** While a batch commits, the next one waits so long for further messages before it looks whether that has ended. */
const GROW_WAIT_MS = 5;
const STANDBY_POLL_MS = 500;
const MIN_RETRY_MS = 50;
const MAX_RETRY_MS = 2_000;
const MAX_ROUTES_REMEMBERED = 5_000;

function retryWaitMs(attempt: number): number {
  return Math.min(MIN_RETRY_MS * 2 ** Math.min(attempt, 10), MAX_RETRY_MS);
}

/** Ends one reign: the next begins from the checkpoint. */
class ReignEnded extends Error {}

/**
 * Reads the log in order and writes it into the three tables, exactly once in effect.
 *
 * States: standby (another process has the lease) → running (a reign: lease, epoch, feed) → retrying (a reign ended;
 * the next begins from the checkpoint) → running …; halted for good where the log is not the one of the checkpoint.
 *
 * Within a reign the next batch is decoded while the one before commits. Whatever goes wrong in a way that leaves the
 * outcome unknown ends the reign, since only the checkpoint knows.
 */
export class Projector {
  #state: ProjectorState = { kind: 'stopped' };
  #stopping = new AbortController();
  #running: Promise<void> | undefined;
  /** Good for one reign: in the next another process may have parked some. */
  #parked: ParkedLetters;

  constructor(private readonly dependencies: ProjectorDependencies) {
    this.#parked = new ParkedLetters(dependencies);
  }

  get state(): ProjectorState {
    return this.#state;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Finishes the batch that is being written, acknowledges it and gives the lease back. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#state = { kind: 'stopped' };
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stopped && this.#state.kind !== 'halted') {
      try {
        const reign = (lease: Lease): Promise<void> =>
          this.#reign(lease, () => {
            failures = 0;
          });
        await this.dependencies.watch.whenConnected(this.#stopping.signal);
        if (await lead(this.dependencies.databaseUrl, 'projector', reign)) continue;
        this.#state = { kind: 'standby' };
        await this.#pause(STANDBY_POLL_MS);
      } catch (error) {
        failures += 1;
        this.dependencies.metrics.projectionFailures.inc({ projection: TABLES_PROJECTION, reason: 'reign_ended' });
        this.#retrying(error, failures);
        await this.#pause(retryWaitMs(failures));
      }
    }
  }

  async #reign(lease: Lease, onProgress: () => void): Promise<void> {
    const { pool, manager, connection, watch, logger } = this.dependencies;
    const stream = await findStream(manager, EVENTS_STREAM);
    if (stream === undefined) throw new Error(`The stream ${EVENTS_STREAM} does not exist`);
    const checkpoint = await overtake(pool, (client) =>
      beginEpoch(client, TABLES_PROJECTION, this.dependencies.holder, String(stream.created)),
    );
    const verdict = await checkLog(manager, stream, checkpoint, this.dependencies.codec, pool);
    if (verdict.kind === 'different_log') return await this.#halt(checkpoint, verdict.reason);
    await noteStreamCreated(pool, TABLES_PROJECTION, checkpoint, String(stream.created));
    if (checkpoint.sequence === 0) await forgetRollups(pool);
    if (verdict.kind === 'expired') {
      logger.error({ events: verdict.events }, 'Events left the log by its retention before they were projected');
    }
    this.#parked = new ParkedLetters(this.dependencies);
    const context: FoldContext = {
      codec: this.dependencies.codec,
      business: this.dependencies.business,
      routeOf: memoizedRoutes(MAX_ROUTES_REMEMBERED),
      registry: await loadSeries(pool),
    };
    const options = {
      stream: EVENTS_STREAM,
      durable: DURABLE,
      afterSequence: checkpoint.sequence,
      pullSize: PULL_SIZE,
    };
    const feed = await LogFeed.open(connection, watch, manager, options);
    this.#state = { kind: 'running' };
    logger.info({ sequence: checkpoint.sequence, epoch: checkpoint.epoch }, 'Projecting');
    try {
      await this.#project(feed, lease, checkpoint, context, onProgress);
    } finally {
      feed.close();
    }
  }

  /** Grows one batch for as long as the one before is being committed. */
  async #project(
    feed: LogFeed,
    lease: Lease,
    from: Checkpoint,
    context: FoldContext,
    onProgress: () => void,
  ): Promise<void> {
    let committed: Promise<Checkpoint> = Promise.resolve(from);
    let isCommitting = false;
    const next = new BatchBuilder(context);
    try {
      while (!this.#stopped) {
        await next.add(await this.#takeOrFail(feed, next.room, committed));
        while (isCommitting && next.room > 0) await next.add(await feed.take(next.room, GROW_WAIT_MS));
        if (lease.lost) throw new ReignEnded('The lease was lost');
        const batch = next.take();
        if (batch === undefined) continue;
        await this.dependencies.partitions.ensure(new Set(batch.rows.map((row) => dayOf(row.timeMs))));
        const checkpoint = await committed;
        isCommitting = true;
        committed = this.#commit(batch, checkpoint, lease, context)
          .then((reached) => {
            feed.ack(batch);
            onProgress();
            return reached;
          })
          .finally(() => {
            isCommitting = false;
          });
        // The rejection is taken up where `committed` is awaited; until then Node must not call it unhandled.
        committed.catch(() => undefined);
      }
    } finally {
      // A reign does not end before its last transaction has.
      await committed;
    }
  }

  /** Waits for messages, but no longer than the commit that goes on meanwhile takes to fail. */
  async #takeOrFail(feed: LogFeed, maxMessages: number, committed: Promise<Checkpoint>): Promise<FedMessage[]> {
    const messages = await feed.take(maxMessages, TAKE_TIMEOUT_MS);
    if (messages.length === 0) await committed;
    return messages;
  }

  /** Writes one batch, however often Postgres has to be asked, and returns the new checkpoint. */
  async #commit(
    prepared: PreparedBatch,
    checkpoint: Checkpoint,
    lease: Lease,
    context: FoldContext,
  ): Promise<Checkpoint> {
    const { pool, metrics, onCommit } = this.dependencies;
    await this.#park(prepared.deadLetters, lease);
    let batch = prepared;
    let mode: WriteMode = 'copy';
    for (let attempt = 1; ; attempt += 1) {
      if (lease.lost) throw new ReignEnded('The lease was lost');
      try {
        const stopTimer = metrics.commitDuration.startTimer();
        const outcome = await writeBatch(pool, TABLES_PROJECTION, checkpoint, batch, mode, (rows) =>
          foldDelta(rows, context.registry, context.business),
        );
        if (outcome.kind === 'fenced') throw new ReignEnded('The checkpoint was moved by another projector');
        stopTimer();
        metrics.rowsProjected.inc(outcome.inserted);
        metrics.duplicatesDropped.inc(outcome.duplicates);
        onCommit();
        return outcome.checkpoint;
      } catch (error) {
        if (error instanceof ReignEnded) throw error;
        const failure = classifyFailure(error);
        metrics.projectionFailures.inc({ projection: TABLES_PROJECTION, reason: failure });
        if (failure === 'duplicate' && mode === 'copy') mode = 'staging';
        else if (failure === 'refused_row') batch = await this.#withoutRefused(batch, error, lease, context);
        else if (failure === 'missing_partition') await this.#makePartitions(batch);
        else await this.#waitForPostgres(error, attempt);
      }
    }
  }

  async #waitForPostgres(error: unknown, attempt: number): Promise<void> {
    if (this.#stopped) throw error;
    await this.#waitToRetry(error, attempt);
  }

  /** Waits within a reign, longer with each attempt. */
  async #waitToRetry(error: unknown, attempt: number): Promise<void> {
    this.#retrying(error, attempt);
    await this.#pause(retryWaitMs(attempt));
    this.#state = { kind: 'running' };
  }

  async #makePartitions(batch: PreparedBatch): Promise<void> {
    this.dependencies.partitions.forget();
    await this.dependencies.partitions.ensure(new Set(batch.rows.map((row) => dayOf(row.timeMs))));
  }

  /** Parks the rows that Postgres refuses, each with its reason, and keeps the others. */
  async #withoutRefused(
    batch: PreparedBatch,
    failure: unknown,
    lease: Lease,
    context: FoldContext,
  ): Promise<PreparedBatch> {
    const isRefusal = (error: unknown): boolean => classifyFailure(error) === 'refused_row';
    const refused = await findRefusedRows(this.dependencies.pool, batch.rows, isRefusal);
    // No row by itself is to blame: the reign ends, and the wait before the next keeps this from spinning.
    if (refused.length === 0) throw failure;
    const { kept, letters } = await setAside(batch, refused, context, (sequence) =>
      readMessage(this.dependencies.manager, EVENTS_STREAM, sequence),
    );
    await this.#park(letters, lease);
    return kept;
  }

  async #park(letters: PreparedBatch['deadLetters'], lease: Lease): Promise<void> {
    if (letters.length === 0) return;
    const { appender, connection, metrics, logger } = this.dependencies;
    const maxPayloadBytes = connection.info?.max_payload ?? 1_048_576;
    const fresh = await this.#parked.without(letters);
    for (let attempt = 1; !(await parkDeadLetters(appender, fresh, maxPayloadBytes)); attempt += 1) {
      if (lease.lost || this.#stopped) throw new ReignEnded('Dead letters could not be parked');
      await this.#waitToRetry(new Error('Dead letters cannot be parked'), attempt);
    }
    for (const { refusal } of letters) metrics.eventsRefused.inc({ reason: refusal.reason });
    logger.warn(
      {
        events: letters.length,
        parkedBefore: letters.length - fresh.length,
        reasons: [...new Set(letters.map((letter) => letter.refusal.reason))],
      },
      'Parked as dead letters',
    );
  }

  async #halt(checkpoint: Checkpoint, reason: string): Promise<void> {
    await noteHalt(this.dependencies.pool, TABLES_PROJECTION, checkpoint, reason);
    this.#state = { kind: 'halted', reason };
    this.dependencies.logger.fatal(
      { reason },
      'The projector stops: the log is not the one that the tables were folded from',
    );
  }

  #retrying(error: unknown, attempt: number): void {
    const reason = error instanceof FeedBroken ? error.reason : error instanceof Error ? error.message : String(error);
    this.#state = { kind: 'retrying', reason };
    this.dependencies.logger.warn({ reason, attempt }, 'The projector tries again from its checkpoint');
  }

  async #pause(milliseconds: number): Promise<void> {
    // Aborting ends the wait early; the loops look at the signal themselves.
    await sleep(milliseconds, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }
}
