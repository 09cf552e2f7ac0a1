import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CodecOptions } from '../events/codec.js';
import { decodeMessage } from '../events/codec.js';
import type { Refusal } from '../events/refusals.js';
import type { DeadLetter } from '../stream/dead-letters.js';
import type { FedMessage } from '../stream/log-feed.js';
import { type Row, toRow } from './rows.js';
import type { SeriesRegistry } from './series-registry.js';
import { type BusinessTypes, foldDelta } from './summary-delta.js';
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
  readonly lastMessage: FedMessage;
  /** By sequence, for a row that Postgres refuses. */
  readonly messages: readonly FedMessage[];
}

/** Bytes decoded in one go, some two hundred messages; then whatever else waits for this process has its turn. */
const BYTES_PER_TURN = 65_536;
/** So that empty messages have an end, too. */
const MESSAGE_OVERHEAD_BYTES = 128;

/**
 * Decodes each message once and folds it to its row and to the one delta of the batch. It does so in turns, so that
 * the batch before, which is being committed meanwhile, is not kept from sending its rows to Postgres.
 */
export async function prepareBatch(
  messages: readonly [FedMessage, ...FedMessage[]],
  context: FoldContext,
): Promise<PreparedBatch> {
  const rows: Row[] = [];
  const deadLetters: DeadLetter[] = [];
  let lastEventId = '';
  let bytes = 0;
  for (const message of messages) {
    bytes += message.data.length + MESSAGE_OVERHEAD_BYTES;
    if (bytes > BYTES_PER_TURN) {
      await nextTurn();
      bytes = 0;
    }
    const decoded = decodeMessage(message, context.codec);
    if (decoded.ok) {
      rows.push(toRow(decoded.value, context.routeOf));
      lastEventId = decoded.value.id;
    } else {
      deadLetters.push({ message, refusal: decoded.refusal });
      lastEventId = '';
    }
  }
  const delta = foldDelta(rows, context.registry, context.business);
  const lastMessage = messages.at(-1) ?? messages[0];
  return {
    rows,
    delta,
    deadLetters,
    messages,
    lastMessage,
    lastEventId,
    lastStoredAtMs: lastMessage.storedAtMs,
    toSequence: lastMessage.sequence,
    freshSeries: context.registry.takeFresh(),
  };
}

/**
 * Takes refused rows out of a batch: the others get a delta of their own, and each refused message becomes a dead letter.
 * The series stay as they are, because the registry in memory has admitted them.
 */
export function setAside(
  batch: PreparedBatch,
  refused: readonly { readonly row: Row; readonly error: unknown }[],
  context: FoldContext,
): { readonly kept: PreparedBatch; readonly letters: readonly DeadLetter[] } {
  const bySequence = new Map(batch.messages.map((message) => [message.sequence, message]));
  const letters = refused.flatMap(({ row, error }) => {
    const message = bySequence.get(row.sequence);
    const detail = error instanceof Error ? error.message : 'refused';
    const refusal: Refusal = { reason: 'refused_by_database', errors: [{ pointer: '', detail }] };
    return message === undefined ? [] : [{ message, refusal }];
  });
  const gone = new Set(refused.map(({ row }) => row.sequence));
  const rows = batch.rows.filter((row) => !gone.has(row.sequence));
  return { kept: { ...batch, rows, delta: foldDelta(rows, context.registry, context.business) }, letters };
}
