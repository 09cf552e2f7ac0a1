import type { JetStreamManager } from 'nats';
import { readMessage } from './read-message.js';
import {
  ALERT_ACTIONS_STREAM,
  ALERT_STATE_STREAM,
  ALERTS_STREAM,
  DEAD_LETTERS_STREAM,
  EVENTS_STREAM,
  findStream,
} from './streams.js';

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

/** The streams of the service that exist, METRICS first. @throws where JetStream does not answer */
export async function describeStreams(manager: JetStreamManager): Promise<StreamDescription[]> {
  const names = [EVENTS_STREAM, ALERTS_STREAM, ALERT_STATE_STREAM, ALERT_ACTIONS_STREAM, DEAD_LETTERS_STREAM];
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
  return (await readMessage(manager, EVENTS_STREAM, sequence))?.storedAtMs;
}
