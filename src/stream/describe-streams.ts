import { type JetStreamManager, NatsError } from 'nats';
import { ALERTS_STREAM, DEAD_LETTERS_STREAM, EVENTS_STREAM, findStream } from './streams.js';

/** A stream's extent, as operators look at it. */
export interface StreamDescription {
  readonly name: string;
  readonly messages: number;
  readonly bytes: number;
  readonly first_sequence: number;
  readonly last_sequence: number;
  /** When the oldest message was stored; null where the stream is empty. */
  readonly oldest_at: string | null;
}

const MESSAGE_NOT_FOUND = 10037;

/** The streams of the service that exist, METRICS first. @throws where JetStream does not answer */
export async function describeStreams(manager: JetStreamManager): Promise<StreamDescription[]> {
  const names = [EVENTS_STREAM, ALERTS_STREAM, DEAD_LETTERS_STREAM];
  const found = await Promise.all(names.map((name) => findStream(manager, name)));
  return found.flatMap((stream) => {
    if (stream === undefined) return [];
    const { messages, bytes, first_seq, last_seq, first_ts } = stream.state;
    return [
      {
        name: stream.config.name,
        messages,
        bytes,
        first_sequence: first_seq,
        last_sequence: last_seq,
        oldest_at: messages === 0 ? null : new Date(String(first_ts)).toISOString(),
      },
    ];
  });
}

/** When the message of METRICS at a sequence was stored, in ms since 1970; undefined where there is none. */
export async function storedAtMs(manager: JetStreamManager, sequence: number): Promise<number | undefined> {
  try {
    return (await manager.streams.getMessage(EVENTS_STREAM, { seq: sequence })).time.getTime();
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === MESSAGE_NOT_FOUND) return undefined;
    throw error;
  }
}
