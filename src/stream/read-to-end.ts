import { DeliverPolicy, type NatsConnection } from 'nats';
import { findStream } from './streams.js';

const BATCH_MESSAGES = 1_000;
const BATCH_EXPIRES_MS = 2_000;
/** Batches in a row without a message, after which the reading has failed. */
const MAX_EMPTY_BATCHES = 5;

/**
 * Reads a stream from its beginning to what is its end now, in order, without leaving a consumer behind. A stream that is
 * not there has no messages.
 *
 * @returns the last sequence of the stream at the beginning, 0 where it is empty
 * @throws where JetStream does not answer
 */
export async function readToEnd(
  connection: NatsConnection,
  stream: string,
  take: (data: Uint8Array, sequence: number, storedAtMs: number) => void,
): Promise<number> {
  const found = await findStream(await connection.jetstreamManager(), stream);
  const last = found?.state.last_seq ?? 0;
  if (found === undefined || found.state.messages === 0) return last;
  const consumer = await connection.jetstream().consumers.get(stream, { deliver_policy: DeliverPolicy.All });
  let reached = 0;
  let emptyBatches = 0;
  while (reached < last) {
    const messages = await consumer.fetch({ max_messages: BATCH_MESSAGES, expires: BATCH_EXPIRES_MS });
    let count = 0;
    for await (const { data, seq, info } of messages) {
      count += 1;
      take(data, seq, Math.floor(info.timestampNanos / 1e6));
      // The last ones may have been deleted, so the end is also where nothing waits.
      reached = info.pending === 0 ? last : seq;
      if (reached >= last) break;
    }
    emptyBatches = count === 0 ? emptyBatches + 1 : 0;
    if (emptyBatches >= MAX_EMPTY_BATCHES) throw new Error(`${stream} ends before its last message`);
  }
  await consumer.delete().catch(() => undefined);
  return last;
}
