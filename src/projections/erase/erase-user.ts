import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import type { CodecOptions, LogMessage } from '../../events/codec.js';
import { readCheckpoint, TABLES_PROJECTION } from '../../store/checkpoints.js';
import { readPosition } from '../../store/summary-position.js';
import { CURRENT_KEY, KEY_PREFIX } from '../../store/summary-schema.js';
import { deleteMessage } from '../../stream/delete-message.js';
import { type ReadOptions, readToEnd } from '../../stream/read-to-end.js';
import { DEAD_LETTERS_STREAM, EVENTS_STREAM, findStream } from '../../stream/streams.js';
import { pause } from '../keep-leading.js';
import { type ErasedRows, eraseElsewhere, eraseRows } from './erase-rows.js';
import { namesUser, ofUser } from './messages-of-user.js';

export interface EraseParts extends ReadOptions {
  readonly pool: Pool;
  readonly redis: Redis;
  readonly codec: CodecOptions;
  readonly signal: AbortSignal;
  readonly now: () => number;
  /** Told of long steps: what is counted, how many of it, of how many. */
  readonly onProgress: (
    step: 'messages read' | 'messages erased' | 'events projected',
    done: number,
    total: number,
  ) => void;
}

/** What was removed. */
export interface Erased {
  /** Messages of METRICS, overwritten. */
  readonly events: number;
  readonly deadLetters: number;
  readonly rows: ErasedRows;
  /** Rows of tables that a rebuild was making, or had left. */
  readonly otherRows: number;
}

/** METRICS was made by an earlier version, with JetStream told for good that nothing may be deleted from it. */
export class DeletingDenied extends Error {}

const DELETES_AT_A_TIME = 50;
const POLL_MS = 100;

/**
 * Removes everything that names a user, up to what is in the log now: messages of METRICS, overwritten on disk; dead
 * letters; rows. The log goes first: whatever interrupts it, the log does not bring back what is gone from the tables, and
 * the same command finishes the rest. What a projector has in hand it is waited for.
 *
 * The summaries are not waited for: `untilSummariesForget` does that.
 *
 * @throws DeletingDenied; FeedBroken or NatsError where NATS goes away, what Postgres says, or the signal's reason
 */
export async function eraseUser(parts: EraseParts, userId: number): Promise<Erased> {
  const { manager, pool, codec } = parts;
  const log = await findStream(manager, EVENTS_STREAM);
  if (log?.config.deny_delete === true) throw new DeletingDenied();
  const throughSequence = log?.state.last_seq ?? 0;
  const events = log === undefined ? 0 : await eraseMessages(parts, EVENTS_STREAM, ofUser(userId, codec));
  const otherRows = await eraseElsewhere(pool, userId, throughSequence);
  const rows = await eraseProjected(parts, userId, throughSequence);
  // Last, since a projector may have parked one until it had passed the end.
  const isOfUser = ({ data }: LogMessage): boolean => namesUser(data, userId);
  const hasLetters = (await findStream(manager, DEAD_LETTERS_STREAM)) !== undefined;
  const deadLetters = hasLetters ? await eraseMessages(parts, DEAD_LETTERS_STREAM, isOfUser) : 0;
  return { events, deadLetters, rows, otherRows };
}

async function eraseMessages(
  parts: EraseParts,
  stream: string,
  isOfUser: (message: LogMessage) => boolean,
): Promise<number> {
  const { manager, signal, onProgress } = parts;
  const total = (await findStream(manager, stream))?.state.messages ?? 0;
  const sequences: number[] = [];
  let read = 0;
  await readToEnd(parts, stream, (message) => {
    signal.throwIfAborted();
    read += 1;
    if (isOfUser(message)) sequences.push(message.sequence);
    onProgress('messages read', read, total);
  });
  for (let start = 0; start < sequences.length; start += DELETES_AT_A_TIME) {
    signal.throwIfAborted();
    const chunk = sequences.slice(start, start + DELETES_AT_A_TIME);
    await Promise.all(chunk.map((sequence) => deleteMessage(manager, stream, sequence)));
    onProgress('messages erased', start + chunk.length, sequences.length);
  }
  return sequences.length;
}

/** Takes the rows out once the projector has passed the end of what was read. */
async function eraseProjected(parts: EraseParts, userId: number, throughSequence: number): Promise<ErasedRows> {
  for (;;) {
    parts.signal.throwIfAborted();
    const outcome = await eraseRows(parts.pool, userId, throughSequence, parts.now());
    if (outcome.kind === 'erased') return outcome.rows;
    parts.onProgress('events projected', outcome.sequence, throughSequence);
    await pause(POLL_MS, parts.signal);
  }
}

/**
 * Waits until the summaries in Redis are those that were folded of the tables as they are now, and those before are gone.
 * A summary worker, of the service or of whoever calls, has to be at work.
 *
 * @throws what Redis or Postgres say, or the signal's reason
 */
export async function untilSummariesForget({ pool, redis }: EraseParts, signal: AbortSignal): Promise<void> {
  const wanted = String((await readCheckpoint(pool, TABLES_PROJECTION))?.generation ?? 0);
  for (;;) {
    signal.throwIfAborted();
    const found = await readPosition(redis);
    if (found !== undefined && Number(found.tables) >= Number(wanted) && (await hasOneGeneration(redis))) return;
    await pause(POLL_MS, signal);
  }
}

async function hasOneGeneration(redis: Redis): Promise<boolean> {
  const current = await redis.get(CURRENT_KEY);
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', `${KEY_PREFIX}*:meta`, 'COUNT', 1_000);
    if (keys.some((key) => key !== `${KEY_PREFIX}${current}:meta`)) return false;
    cursor = next;
  } while (cursor !== '0');
  return true;
}
