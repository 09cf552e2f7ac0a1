import type { Pool } from 'pg';
import { type CodecOptions, decodeMessage } from '../events/codec.js';
import type { EventKind, LogEvent } from '../events/kinds.js';
import type { Checkpoint } from '../store/checkpoints.js';
import { type EventTable, TIME_COLUMNS } from '../store/partitions.js';
import type { JetStreamManager, StreamInfo } from '../stream/connection.js';
import { readMessage } from '../stream/read-message.js';

/** A message is asked for by itself: of one person's events, more may lie one behind the other. */
const MAX_ERASED_TOGETHER = 5_000;
const DAY_MS = 86_400_000;
const TABLES: Readonly<Record<EventKind, EventTable>> = {
  user: 'user_events',
  system: 'system_metrics',
  api: 'api_metrics',
};

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
 * was updated and the server restarted. Where it was erased (`metrics erase`), the one before it decides that the tables
 * have a row of.
 */
export async function checkLog(
  manager: JetStreamManager,
  stream: StreamInfo,
  checkpoint: Checkpoint,
  codec: CodecOptions,
  pool: Pool,
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
  if (stream.state.first_seq < checkpoint.sequence) {
    const before = await findBefore(manager, stream, checkpoint.sequence, codec);
    if (before !== undefined && (await hasRow(pool, before))) return { kind: 'same_log' };
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

/** The nearest event before a sequence; undefined where none is near. */
async function findBefore(
  manager: JetStreamManager,
  stream: StreamInfo,
  beforeSequence: number,
  codec: CodecOptions,
): Promise<LogEvent | undefined> {
  const first = Math.max(stream.state.first_seq, beforeSequence - MAX_ERASED_TOGETHER);
  for (let sequence = beforeSequence - 1; sequence >= first; sequence -= 1) {
    const message = await readMessage(manager, stream.config.name, sequence);
    const decoded = message === undefined ? undefined : decodeMessage(message, codec);
    if (decoded?.ok === true) return decoded.value;
  }
  return undefined;
}

/** Whether the tables were folded from this event; a resend of it may have come first, with the same id. */
async function hasRow(pool: Pool, { kind, id, occurredAtMs }: LogEvent): Promise<boolean> {
  const table = TABLES[kind];
  const { rows } = await pool.query(
    `select from ${table} where event_id = $1 and ${TIME_COLUMNS[table]} between $2 and $3 limit 1`,
    [id, new Date(occurredAtMs - DAY_MS), new Date(occurredAtMs)],
  );
  return rows.length > 0;
}

function different(reason: string): LogVerdict {
  return { kind: 'different_log', reason };
}
