import type { LogMessage } from '../events/codec.js';
import type { ConnectionWatch, JetStreamManager, NatsConnection } from './connection.js';
import { LogFeed } from './log-feed.js';

const PULL_SIZE = 1_000;
const TAKE_TIMEOUT_MS = 1_000;

export interface ReadOptions {
  readonly connection: NatsConnection;
  readonly watch: ConnectionWatch;
  readonly manager: JetStreamManager;
}

/** What need not be read. */
export interface PartRead {
  readonly headersOnly?: boolean;
  /** Stored before then, ms since 1970. */
  readonly fromMs?: number;
}

/**
 * Reads a stream from its beginning to what is its end now, in order.
 *
 * @throws FeedBroken where the connection is lost meanwhile, NatsError where the stream is missing
 */
export async function readToEnd(
  { connection, watch, manager }: ReadOptions,
  stream: string,
  take: (message: LogMessage) => void,
  { headersOnly, fromMs }: PartRead = {},
): Promise<void> {
  const common = { stream, pullSize: PULL_SIZE, headersOnly: headersOnly === true };
  const options = fromMs === undefined ? { ...common, afterSequence: 0 } : { ...common, fromMs };
  const { feed } = await LogFeed.openFrom(connection, watch, manager, options);
  try {
    let done = await feed.isAtEnd(manager);
    while (!done) {
      const messages = await feed.take(PULL_SIZE, TAKE_TIMEOUT_MS);
      for (const message of messages) take(message);
      done = messages.length === 0 ? await feed.isAtEnd(manager) : feed.pending === 0 && feed.buffered === 0;
    }
  } finally {
    await feed.remove(manager);
  }
}
