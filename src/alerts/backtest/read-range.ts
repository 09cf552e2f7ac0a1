import { setImmediate as nextTurn } from 'node:timers/promises';
import { codecOf, decodeMessage } from '../../events/codec.js';
import type { LogEvent } from '../../events/kinds.js';
import type { ForeignSource } from '../../events/sources.js';
import type { ConnectionWatch, JetStreamManager, NatsConnection } from '../../stream/connection.js';
import { LogFeed } from '../../stream/log-feed.js';
import { EVENTS_STREAM } from '../../stream/streams.js';

export interface RangeReader {
  readonly connection: NatsConnection;
  readonly watch: ConnectionWatch;
  readonly manager: JetStreamManager;
  readonly retentionDays: number;
  readonly sources: readonly ForeignSource[];
  readonly signal: AbortSignal;
}

export interface ReadRange {
  /** Stored from then on, ms since 1970. */
  readonly fromMs: number;
  /** Reading ends at the first message that was stored later. */
  readonly untilMs: number;
  readonly onEvent: (event: LogEvent, storedAtMs: number) => void;
  /** Told after each portion. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface ReadOutcome {
  readonly events: number;
  /** Messages that are no events; the projector parks them as dead letters. */
  readonly refused: number;
  /** Whether the log ended before `untilMs`. */
  readonly reachedEnd: boolean;
}

const PULL_SIZE = 4_000;
/** Less than a pull brings: what is still to be worked on when the next pull is sent gives the server its time. */
const TAKE_SIZE = 500;
const TAKE_TIMEOUT_MS = 1_000;

/**
 * Reads a stretch of METRICS in order, with a consumer of its own that is taken away at the end. What is stored while it
 * reads is left out.
 *
 * @throws FeedBroken where the connection is lost meanwhile, or the signal's reason
 */
export async function readRange(reader: RangeReader, range: ReadRange): Promise<ReadOutcome> {
  const { connection, watch, manager, retentionDays, sources, signal } = reader;
  // No rule asks for what may hold an address.
  const codec = codecOf({ retentionDays, sources, addresses: { kind: 'keep' } });
  const { fromMs, untilMs, onEvent, onProgress } = range;
  const options = { stream: EVENTS_STREAM, fromMs, pullSize: PULL_SIZE };
  const { feed, pending } = await LogFeed.openFrom(connection, watch, manager, options);
  const counts = { events: 0, refused: 0 };
  let taken = 0;
  try {
    const total = pending - (await countFrom(reader, untilMs + 1));
    onProgress?.(0, total);
    while (taken < pending) {
      signal.throwIfAborted();
      const messages = await feed.take(TAKE_SIZE, TAKE_TIMEOUT_MS);
      if (messages.length === 0 && (await feed.isAtEnd(manager))) break;
      for (const message of messages) {
        if (message.storedAtMs > untilMs) return { ...counts, reachedEnd: false };
        if (taken === pending) break;
        taken += 1;
        const decoded = decodeMessage(message, codec);
        counts[decoded.ok ? 'events' : 'refused'] += 1;
        if (decoded.ok) onEvent(decoded.value, message.storedAtMs);
      }
      onProgress?.(taken, total);
      // A full buffer is taken without waiting; what is sent and received meanwhile needs its turn.
      await nextTurn();
    }
    return { ...counts, reachedEnd: true };
  } finally {
    await feed.remove(manager);
  }
}

/** How many messages were stored from then on. */
async function countFrom({ connection, watch, manager }: RangeReader, fromMs: number): Promise<number> {
  if (fromMs > Date.now()) return 0;
  const { feed, pending } = await LogFeed.openFrom(connection, watch, manager, {
    stream: EVENTS_STREAM,
    fromMs,
    pullSize: 1,
  });
  await feed.remove(manager);
  return pending;
}
