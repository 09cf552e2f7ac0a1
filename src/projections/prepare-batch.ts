import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CodecOptions, LogMessage } from '../events/codec.js';
import { decodeMessage } from '../events/codec.js';
import type { Refusal } from '../events/refusals.js';
import type { DeadLetter } from '../stream/dead-letters.js';
import type { FedMessage } from '../stream/log-feed.js';
import { type Row, toRow } from './rows.js';
import type { SeriesRegistry } from './series-registry.js';
import { addToDelta, type BusinessTypes, emptyDelta, foldDelta, MAX_ROWS_PER_DELTA } from './summary-delta.js';
import type { Batch } from './write-batch.js';

export interface FoldContext {
  readonly codec: CodecOptions;
  readonly routeOf: (endpoint: string) => string;
  readonly registry: SeriesRegistry;
  readonly business: BusinessTypes;
}

/** A batch together with what could not be decoded in it. */
export interface PreparedBatch extends Batch {
  readonly deadLetters: readonly DeadLetter[];
  /** Acknowledges the batch. */
  readonly ackSubject: string;
}

/** Bytes decoded in one go, some two hundred messages; then whatever else waits for this process has its turn. */
const BYTES_PER_TURN = 65_536;
/** So that empty messages have an end, too. */
const MESSAGE_OVERHEAD_BYTES = 128;
/** A batch takes no more once it has as much: of messages of a megabyte that are no events, each is held until it is parked. */
const MAX_BATCH_BYTES = 32 * 1024 * 1024;

/**
 * Grows one batch: decodes each message once and folds it to its row and to the one delta of the batch. Messages are done
 * with as soon as they are decoded: those of a whole batch, kept until it is written, would be copied by the garbage
 * collector again and again.
 */
export class BatchBuilder {
  #rows: Row[] = [];
  #deadLetters: DeadLetter[] = [];
  #delta = emptyDelta();
  #messages = 0;
  #bytes = 0;
  #last: { readonly message: FedMessage; readonly eventId: string } | undefined;

  constructor(private readonly context: FoldContext) {}

  /** Messages that still fit. */
  get room(): number {
    return this.#bytes < MAX_BATCH_BYTES ? MAX_ROWS_PER_DELTA - this.#messages : 0;
  }

  /**
   * Adds messages, at most as many as there is room for, and empties the list. It does so in turns, so that the batch before, which is being
   * committed meanwhile, is not kept from sending its rows to Postgres.
   */
  async add(messages: FedMessage[]): Promise<void> {
    let bytes = 0;
    messages.reverse();
    for (let message = messages.pop(); message !== undefined; message = messages.pop()) {
      bytes += message.data.length + MESSAGE_OVERHEAD_BYTES;
      if (bytes > BYTES_PER_TURN) {
        await nextTurn();
        bytes = 0;
      }
      this.#add(message);
    }
  }

  #add(message: FedMessage): void {
    const { codec, routeOf, registry, business } = this.context;
    this.#messages += 1;
    this.#bytes += message.data.length;
    const decoded = decodeMessage(message, codec);
    this.#last = { message, eventId: decoded.ok ? decoded.value.id : '' };
    if (!decoded.ok) {
      this.#deadLetters.push({ message, refusal: decoded.refusal });
      return;
    }
    const row = toRow(decoded.value, routeOf);
    this.#rows.push(row);
    addToDelta(this.#delta, row, registry, business);
  }

  /** What was added since the last call; undefined where that is nothing. */
  take(): PreparedBatch | undefined {
    if (this.#last === undefined) return undefined;
    const { message, eventId } = this.#last;
    const batch: PreparedBatch = {
      rows: this.#rows,
      delta: this.#delta,
      deadLetters: this.#deadLetters,
      ackSubject: message.ackSubject,
      lastEventId: eventId,
      lastStoredAtMs: message.storedAtMs,
      toSequence: message.sequence,
      freshSeries: this.context.registry.takeFresh(),
    };
    this.#rows = [];
    this.#deadLetters = [];
    this.#delta = emptyDelta();
    this.#messages = 0;
    this.#bytes = 0;
    this.#last = undefined;
    return batch;
  }
}

/**
 * Takes refused rows out of a batch: the others get a delta of their own, and each refused message becomes a dead letter.
 * The series stay as they are, because the registry in memory has admitted them.
 *
 * @param messageAt reads a message of the log again: batches do not keep theirs, since so few are ever asked for. One that
 *   has left the log meanwhile becomes no letter.
 */
export async function setAside(
  batch: PreparedBatch,
  refused: readonly { readonly row: Row; readonly error: unknown }[],
  context: FoldContext,
  messageAt: (sequence: number) => Promise<LogMessage | undefined>,
): Promise<{ readonly kept: PreparedBatch; readonly letters: readonly DeadLetter[] }> {
  const letters: DeadLetter[] = [];
  for (const { row, error } of refused) {
    const message = await messageAt(row.sequence);
    const detail = error instanceof Error ? error.message : 'refused';
    const refusal: Refusal = { reason: 'refused_by_database', errors: [{ pointer: '', detail }] };
    if (message !== undefined) letters.push({ message, refusal });
  }
  const gone = new Set(refused.map(({ row }) => row.sequence));
  const rows = batch.rows.filter((row) => !gone.has(row.sequence));
  return { kept: { ...batch, rows, delta: foldDelta(rows, context.registry, context.business) }, letters };
}
