import { type CodecOptions, decodeMessage } from '../../events/codec.js';
import type { LogEvent } from '../../events/kinds.js';
import { MAX_AHEAD_MS } from '../../events/validate.js';
import type { ConnectionWatch, JetStreamManager, NatsConnection } from '../../stream/connection.js';
import { LogFeed } from '../../stream/log-feed.js';
import { EVENTS_STREAM } from '../../stream/streams.js';

export interface LogParts {
  readonly connection: NatsConnection;
  readonly watch: ConnectionWatch;
  readonly manager: JetStreamManager;
  readonly codec: CodecOptions;
}

/** A stretch of the log, decoded. */
export interface LogChunk {
  readonly events: readonly LogEvent[];
  /** Messages of the stretch that are no events. */
  readonly refused: number;
  readonly lastSequence: number;
}

const PULL_SIZE = 4_000;
const MESSAGES_PER_CHUNK = 2_000;
const TAKE_TIMEOUT_MS = 1_000;
/** How far the time of an event may be ahead of that of its storing: what a publisher may, and clocks that differ. */
export const MAX_AHEAD_OF_LOG_MS = MAX_AHEAD_MS + 60_000;

/**
 * Reads METRICS in order up to a sequence, with a consumer of its own that is taken away at the end.
 *
 * @param fromMs what was stored before it is left out; undefined for the whole log
 * @throws FeedBroken where the connection is lost meanwhile, or the signal's reason
 */
export async function* readLog(
  parts: LogParts,
  fromMs: number | undefined,
  toSequence: number,
  signal: AbortSignal,
): AsyncGenerator<LogChunk> {
  const { connection, watch, manager } = parts;
  const start = fromMs === undefined ? { afterSequence: 0 } : { fromMs };
  const options = { stream: EVENTS_STREAM, pullSize: PULL_SIZE, ...start };
  const { feed } = await LogFeed.openFrom(connection, watch, manager, options);
  try {
    let reached = 0;
    while (reached < toSequence) {
      signal.throwIfAborted();
      const messages = await feed.take(MESSAGES_PER_CHUNK, TAKE_TIMEOUT_MS);
      const last = messages.at(-1);
      if (last === undefined) {
        // The message at the end may have left the log.
        if (await feed.isAtEnd(manager)) return;
        continue;
      }
      reached = last.sequence;
      yield decode(messages, parts.codec, toSequence);
    }
  } finally {
    await feed.remove(manager);
  }
}

function decode(messages: readonly Parameters<typeof decodeMessage>[0][], codec: CodecOptions, to: number): LogChunk {
  const events: LogEvent[] = [];
  let refused = 0;
  let lastSequence = 0;
  for (const message of messages) {
    if (message.sequence > to) break;
    lastSequence = message.sequence;
    const decoded = decodeMessage(message, codec);
    if (decoded.ok) events.push(decoded.value);
    else refused += 1;
  }
  return { events, refused, lastSequence };
}

/** Where the log begins. */
export interface LogStart {
  /** Behind the last message where the log is empty. */
  readonly sequence: number;
  /** When the first message was stored, ms since 1970; undefined where the log is empty. */
  readonly storedAtMs: number | undefined;
}

/** @throws NatsError where there is no log, or JetStream does not answer */
export async function readLogStart(manager: JetStreamManager): Promise<LogStart> {
  const { state } = await manager.streams.info(EVENTS_STREAM);
  const storedAtMs = state.messages === 0 ? undefined : Date.parse(String(state.first_ts));
  return { sequence: state.first_seq, storedAtMs };
}
