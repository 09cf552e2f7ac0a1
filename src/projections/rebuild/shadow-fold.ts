import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Pool, PoolClient } from 'pg';
import { type CodecOptions, decodeMessage } from '../../events/codec.js';
import { type Checkpoint, moveCheckpoint, type Progress, REBUILD_PROJECTION } from '../../store/checkpoints.js';
import { dayOf, type EventTable, Partitions, SHADOW_SCHEMA } from '../../store/partitions.js';
import { classifyFailure, inTransaction } from '../../store/postgres.js';
import { memoizedRoutes } from '../../store/route.js';
import type { ConnectionWatch, JetStreamManager, NatsConnection } from '../../stream/connection.js';
import { type FedMessage, FeedBroken, LogFeed } from '../../stream/log-feed.js';
import { readMessage } from '../../stream/read-message.js';
import { EVENTS_STREAM } from '../../stream/streams.js';
import { findRefusedRows, insertRows, type WriteMode } from '../insert-rows.js';
import { pause } from '../keep-leading.js';
import { type Row, toRow } from '../rows.js';

export interface ShadowFoldDependencies {
  readonly pool: Pool;
  readonly connection: NatsConnection;
  readonly watch: ConnectionWatch;
  readonly manager: JetStreamManager;
  readonly codec: CodecOptions;
  readonly signal: AbortSignal;
}

/** What was read and written since this process began. */
export interface FoldCounts {
  /** Messages of the log. */
  events: number;
  /** Rows that were written. */
  rows: number;
  /** Resends. */
  duplicates: number;
  /** Messages that are dead letters already, by reason: nothing is parked. */
  readonly letters: Map<string, number>;
}

/** Another process has taken the rebuild over, or has ended it. */
export class RebuildFenced extends Error {
  constructor() {
    super('Another process has taken over or ended this rebuild');
    this.name = 'RebuildFenced';
  }
}

const EVENTS_PER_BATCH = 2_000;
const EVENTS_PER_TURN = 200;
const TAKE_TIMEOUT_MS = 500;
const MAX_ROUTES_REMEMBERED = 5_000;
const MAX_ATTEMPTS = 20;
const RETRY_MS = 250;
/** The feed and what its server says of its end disagree for longer than this: something is broken. */
const MAX_STALL_MS = 60_000;

interface Decoded {
  readonly rows: readonly Row[];
  readonly to: Progress;
  readonly letters: readonly string[];
}

/**
 * Folds the log into the candidate's tables, by the same code as the projector and behind it: never beyond the live
 * checkpoint. Messages that were read and not yet written stay here, so that a swap that is put off loses none.
 */
export class ShadowFold {
  readonly counts: FoldCounts = { events: 0, rows: 0, duplicates: 0, letters: new Map() };
  readonly #routeOf = memoizedRoutes(MAX_ROUTES_REMEMBERED);
  readonly #partitions: Partitions;
  #buffer: FedMessage[] = [];
  /** Of everything up to this the tables contain what the log still has; at least the checkpoint's sequence. */
  #caughtUpTo: number;
  #heardAtMs = performance.now();

  private constructor(
    private readonly dependencies: ShadowFoldDependencies,
    private readonly tables: readonly EventTable[],
    private feed: LogFeed,
    private checkpoint: Checkpoint,
  ) {
    this.#caughtUpTo = checkpoint.sequence;
    this.#partitions = new Partitions(dependencies.pool, SHADOW_SCHEMA, tables);
  }

  static async open(
    dependencies: ShadowFoldDependencies,
    tables: readonly EventTable[],
    checkpoint: Checkpoint,
  ): Promise<ShadowFold> {
    return new ShadowFold(dependencies, tables, await openFeed(dependencies, checkpoint.sequence), checkpoint);
  }

  get position(): Checkpoint {
    return this.checkpoint;
  }

  get caughtUpTo(): number {
    return this.#caughtUpTo;
  }

  async close(): Promise<void> {
    // A consumer that nobody reads goes by itself; what the removal says is of no use to anybody.
    await this.feed.remove(this.dependencies.manager).catch(() => undefined);
  }

  /** Makes partitions of these days beforehand: within the swap nobody could. */
  async ensureDays(days: Iterable<number>): Promise<void> {
    this.#partitions.forget();
    await this.#partitions.ensure(days);
  }

  /**
   * Folds one batch, of nothing beyond `limit`.
   *
   * @returns whether all up to the limit is in
   * @throws RebuildFenced, what Postgres or NATS says after many tries
   */
  async step(limit: number): Promise<boolean> {
    try {
      return await this.#step(limit);
    } catch (error) {
      if (!(error instanceof FeedBroken)) throw error;
      await this.#reopen();
      return false;
    }
  }

  async #step(limit: number): Promise<boolean> {
    if (this.#caughtUpTo >= limit) return true;
    const messages = await this.#peek(limit, TAKE_TIMEOUT_MS);
    if (messages.length === 0) return await this.#isAtEnd(limit);
    const decoded = await this.#decode(messages);
    await this.#commit(decoded, messages);
    return this.#caughtUpTo >= limit;
  }

  /**
   * Folds the last few within the swap's transaction; `kept` is to be called when that has committed.
   *
   * @returns undefined where not all up to the limit is here, or it is more than one batch
   */
  async finish(client: PoolClient, limit: number, maxWaitMs: number): Promise<(() => void) | undefined> {
    if (this.#caughtUpTo >= limit) return () => undefined;
    const deadlineMs = performance.now() + maxWaitMs;
    let messages = await this.#peek(limit, maxWaitMs);
    while ((messages.at(-1)?.sequence ?? 0) < limit) {
      // What follows the limit is here: the message at the limit is no longer in the log.
      if (messages.length < this.#buffer.length) break;
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0 || messages.length >= EVENTS_PER_BATCH) return undefined;
      this.#buffer.push(...(await this.feed.take(EVENTS_PER_BATCH - this.#buffer.length, leftMs)));
      messages = await this.#peek(limit, 0);
    }
    const decoded = await this.#decode(messages);
    const inserted = await this.#write(client, decoded, 'staging');
    return () => this.#note(decoded, messages, inserted);
  }

  /** From the checkpoint on, as often as NATS has to be asked. */
  async #reopen(): Promise<void> {
    const { signal } = this.dependencies;
    this.#buffer = [];
    for (let attempt = 1; ; attempt += 1) {
      signal.throwIfAborted();
      try {
        this.feed = await openFeed(this.dependencies, this.checkpoint.sequence);
        this.#heardAtMs = performance.now();
        return;
      } catch (error) {
        if (attempt >= MAX_ATTEMPTS) throw error;
        await pause(RETRY_MS * attempt, signal);
      }
    }
  }

  /** Messages up to the limit, which stay in the buffer until they are written. */
  async #peek(limit: number, maxWaitMs: number): Promise<readonly FedMessage[]> {
    if (this.#buffer.length === 0) this.#buffer = await this.feed.take(EVENTS_PER_BATCH, maxWaitMs);
    if (this.#buffer.length > 0) this.#heardAtMs = performance.now();
    const end = this.#buffer.findIndex(({ sequence }) => sequence > limit);
    return end === -1 ? [...this.#buffer] : this.#buffer.slice(0, end);
  }

  /** Nothing came up to the limit: either the log has nothing more there, or it is late. */
  async #isAtEnd(limit: number): Promise<boolean> {
    const next = this.#buffer[0];
    const { manager } = this.dependencies;
    // The message at the limit may have been erased, or have left the log.
    const isGone = async (): Promise<boolean> =>
      (await this.feed.isAtEnd(manager)) && (await readMessage(manager, EVENTS_STREAM, limit)) === undefined;
    if (next !== undefined || (await isGone())) {
      this.#caughtUpTo = limit;
      return true;
    }
    if (performance.now() - this.#heardAtMs > MAX_STALL_MS) throw new Error('The log does not deliver what it has');
    return false;
  }

  async #decode(messages: readonly FedMessage[]): Promise<Decoded> {
    const rows: Row[] = [];
    const letters: string[] = [];
    let to: Progress = this.checkpoint;
    for (const [index, message] of messages.entries()) {
      if (index % EVENTS_PER_TURN === EVENTS_PER_TURN - 1) await nextTurn();
      const decoded = decodeMessage(message, this.dependencies.codec);
      const lastEventId = decoded.ok ? decoded.value.id : '';
      to = { sequence: message.sequence, lastEventId, lastStoredAtMs: message.storedAtMs };
      if (!decoded.ok) letters.push(decoded.refusal.reason);
      else {
        const row = toRow(decoded.value, this.#routeOf);
        if (this.tables.includes(row.table)) rows.push(row);
      }
    }
    return { rows, to, letters };
  }

  /** Writes one batch, however often Postgres has to be asked. */
  async #commit(decoded: Decoded, messages: readonly FedMessage[]): Promise<void> {
    const { pool, signal } = this.dependencies;
    let { rows, letters } = decoded;
    let mode: WriteMode = 'copy';
    await this.#partitions.ensure(new Set(rows.map(({ timeMs }) => dayOf(timeMs))));
    for (let attempt = 1; ; attempt += 1) {
      signal.throwIfAborted();
      const batch = { ...decoded, rows, letters };
      try {
        const inserted = await inTransaction(pool, (client) => this.#write(client, batch, mode));
        return this.#note(batch, messages, inserted);
      } catch (error) {
        if (error instanceof RebuildFenced) throw error;
        const failure = classifyFailure(error);
        if (failure === 'duplicate' && mode === 'copy') mode = 'staging';
        else if (failure === 'missing_partition')
          await this.ensureDays(new Set(rows.map(({ timeMs }) => dayOf(timeMs))));
        else if (failure === 'refused_row') {
          const refused = await this.#refused(rows, error);
          rows = rows.filter((row) => !refused.has(row));
          letters = [...letters, ...Array.from(refused, () => 'refused_by_database')];
        } else if (attempt >= MAX_ATTEMPTS) throw error;
        else await pause(RETRY_MS * attempt, signal);
      }
    }
  }

  async #refused(rows: readonly Row[], failure: unknown): Promise<ReadonlySet<Row>> {
    const isRefusal = (error: unknown): boolean => classifyFailure(error) === 'refused_row';
    const refused = await findRefusedRows(this.dependencies.pool, rows, isRefusal, SHADOW_SCHEMA);
    if (refused.length === 0) throw failure;
    return new Set(refused.map(({ row }) => row));
  }

  /** @returns how many rows were there not yet */
  async #write(client: PoolClient, { rows, to }: Decoded, mode: WriteMode): Promise<number> {
    if (!(await moveCheckpoint(client, REBUILD_PROJECTION, this.checkpoint, to))) throw new RebuildFenced();
    return (await insertRows(client, rows, mode, SHADOW_SCHEMA)).length;
  }

  #note({ rows, to, letters }: Decoded, messages: readonly FedMessage[], inserted: number): void {
    this.checkpoint = { ...this.checkpoint, ...to };
    this.#caughtUpTo = Math.max(this.#caughtUpTo, to.sequence);
    this.#buffer.splice(0, messages.length);
    this.counts.events += messages.length;
    this.counts.rows += inserted;
    this.counts.duplicates += rows.length - inserted;
    for (const reason of letters) this.counts.letters.set(reason, (this.counts.letters.get(reason) ?? 0) + 1);
  }
}

async function openFeed(
  { connection, watch, manager }: ShadowFoldDependencies,
  afterSequence: number,
): Promise<LogFeed> {
  const options = { stream: EVENTS_STREAM, pullSize: EVENTS_PER_BATCH, afterSequence };
  return (await LogFeed.openFrom(connection, watch, manager, options)).feed;
}
