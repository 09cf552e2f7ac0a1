import { type JetStreamManager, Match, NatsError, type StreamInfo } from 'nats';
import { type CodecOptions, decodeMessage } from '../events/codec.js';
import type { Checkpoint } from '../store/checkpoints.js';

export type LogVerdict =
  | { readonly kind: 'same_log' }
  /** The log is the right one, but this many events left it before they were projected. */
  | { readonly kind: 'expired'; readonly events: number }
  | { readonly kind: 'different_log'; readonly reason: string };

const MESSAGE_NOT_FOUND = 10037;

/**
 * Whether the stream is the one that the checkpoint was taken of. A stream that was made anew, or is shorter than the
 * checkpoint, would be skipped quietly by a reader that only compares numbers.
 */
export async function checkLog(
  manager: JetStreamManager,
  stream: StreamInfo,
  checkpoint: Checkpoint,
  codec: CodecOptions,
): Promise<LogVerdict> {
  const { name } = stream.config;
  const created = String(stream.created);
  if (created !== checkpoint.streamCreatedAt) {
    return different(
      `${name} was created at ${created}, the tables were folded from the one of ${checkpoint.streamCreatedAt}`,
    );
  }
  if (stream.state.last_seq < checkpoint.sequence) {
    return different(`${name} ends at ${stream.state.last_seq}, before the checkpoint at ${checkpoint.sequence}`);
  }
  const id = await idAt(manager, name, checkpoint.sequence, codec);
  if (id !== undefined && checkpoint.lastEventId !== '' && id !== checkpoint.lastEventId) {
    return different(`${name} has another event at ${checkpoint.sequence} than the one that was projected`);
  }
  const expired = stream.state.first_seq - checkpoint.sequence - 1;
  return expired > 0 && checkpoint.sequence > 0 ? { kind: 'expired', events: expired } : { kind: 'same_log' };
}

function different(reason: string): LogVerdict {
  return { kind: 'different_log', reason };
}

/** The id of the event at a sequence; undefined where it has left the log or is no event. */
async function idAt(
  manager: JetStreamManager,
  stream: string,
  sequence: number,
  codec: CodecOptions,
): Promise<string | undefined> {
  if (sequence === 0) return undefined;
  try {
    const { subject, data, header, time } = await manager.streams.getMessage(stream, { seq: sequence });
    const decoded = decodeMessage(
      {
        subject,
        data,
        sequence,
        storedAtMs: time.getTime(),
        header: (headerName) => header.get(headerName, Match.IgnoreCase) || undefined,
      },
      codec,
    );
    return decoded.ok ? decoded.value.id : undefined;
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === MESSAGE_NOT_FOUND) return undefined;
    throw error;
  }
}
