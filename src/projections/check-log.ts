import { type CodecOptions, decodeMessage } from '../events/codec.js';
import type { Checkpoint } from '../store/checkpoints.js';
import type { JetStreamManager, StreamInfo } from '../stream/connection.js';
import { readMessage } from '../stream/read-message.js';

export type LogVerdict =
  | { readonly kind: 'same_log' }
  /** The log is the right one, but this many events left it before they were projected. */
  | { readonly kind: 'expired'; readonly events: number }
  | { readonly kind: 'different_log'; readonly reason: string };

/**
 * Whether the stream is the one that the checkpoint was taken of. A stream that was made anew, or is shorter than the
 * checkpoint, would be skipped quietly by a reader that only compares numbers.
 *
 * The message at the checkpoint decides: its id and the moment at which JetStream stored it. The time of the stream's
 * creation only counts where that message has left the log, because nats-server 2.9 gives another one after a stream
 * was updated and the server restarted.
 */
export async function checkLog(
  manager: JetStreamManager,
  stream: StreamInfo,
  checkpoint: Checkpoint,
  codec: CodecOptions,
): Promise<LogVerdict> {
  const { name } = stream.config;
  if (checkpoint.sequence === 0) return { kind: 'same_log' };
  if (stream.state.last_seq < checkpoint.sequence) {
    return different(`${name} ends at ${stream.state.last_seq}, before the checkpoint at ${checkpoint.sequence}`);
  }
  const last = await readMessage(manager, name, checkpoint.sequence);
  if (last !== undefined) {
    const event = decodeMessage(last, codec);
    const lastEventId = event.ok ? event.value.id : '';
    // What one version of this service refuses another may take, and the other way round: then there is no id to compare.
    const noId = lastEventId === '' || checkpoint.lastEventId === '';
    return (noId || lastEventId === checkpoint.lastEventId) && last.storedAtMs === checkpoint.lastStoredAtMs
      ? { kind: 'same_log' }
      : different(`${name} has another event at ${checkpoint.sequence} than the one that was projected`);
  }
  const created = String(stream.created);
  if (created !== checkpoint.streamCreatedAt) {
    return different(
      `${name} was created at ${created}, the tables were folded from the one of ${checkpoint.streamCreatedAt}`,
    );
  }
  const expired = stream.state.first_seq - checkpoint.sequence - 1;
  return expired > 0 ? { kind: 'expired', events: expired } : { kind: 'same_log' };
}

function different(reason: string): LogVerdict {
  return { kind: 'different_log', reason };
}
