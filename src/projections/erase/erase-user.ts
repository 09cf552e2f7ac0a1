import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import type { CodecOptions, LogMessage } from '../../events/codec.js';
import { readCheckpoint, TABLES_PROJECTION } from '../../store/checkpoints.js';
import { readPosition } from '../../store/summary-position.js';
import { CURRENT_KEY, generationPrefix, KEY_PREFIX, viewKey } from '../../store/summary-schema.js';
import { deleteMessage } from '../../stream/delete-message.js';
import { type ReadOptions, readToEnd } from '../../stream/read-to-end.js';
import { DEAD_LETTERS_STREAM, EVENTS_STREAM, findStream } from '../../stream/streams.js';
import { pause } from '../keep-leading.js';
import { isBusy } from '../rebuild/patience.js';
import { type ErasedRows, eraseElsewhere, eraseRows, type RowsOutcome } from './erase-rows.js';
import { letterOfUser, ofUser } from './messages-of-user.js';

export interface EraseParts extends ReadOptions {
  readonly pool: Pool;
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
  // Before the log's end, which is behind it unless the log is another one than that of the tables.
  const projected = (await readCheckpoint(pool, TABLES_PROJECTION))?.sequence ?? 0;
  const log = await findStream(manager, EVENTS_STREAM);
  if (log?.config.deny_delete === true) throw new DeletingDenied();
  const throughSequence = Math.max(log?.state.last_seq ?? 0, projected);
  // What comes while this is read stays, like its rows.
  const isOfUser = ofUser(userId, codec);
  const isDue = (message: LogMessage): boolean => message.sequence <= throughSequence && isOfUser(message);
  const events = log === undefined ? 0 : await eraseMessages(parts, EVENTS_STREAM, isDue);
  const otherRows = await eraseElsewhere(pool, userId, throughSequence);
  const rows = await eraseProjected(parts, userId, throughSequence);
  // Last, since a projector may have parked one until it had passed the end.
  const hasLetters = (await findStream(manager, DEAD_LETTERS_STREAM)) !== undefined;
  const deadLetters = hasLetters ? await eraseMessages(parts, DEAD_LETTERS_STREAM, letterOfUser(userId, codec)) : 0;
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
    const outcome = await eraseInTurn(parts, userId, throughSequence);
    if (outcome?.kind === 'erased') return outcome.rows;
    if (outcome !== undefined) parts.onProgress('events projected', outcome.sequence, throughSequence);
    await pause(POLL_MS, parts.signal);
  }
}

/** @returns undefined where a deadlock with whoever writes the same rows undid it: then it is tried again */
async function eraseInTurn(
  { pool, now }: EraseParts,
  userId: number,
  throughSequence: number,
): Promise<RowsOutcome | undefined> {
  try {
    return await eraseRows(pool, userId, throughSequence, now());
  } catch (error) {
    if (isBusy(error)) return undefined;
    throw error;
  }
}

/**
 * Waits until the summaries in Redis are those that were folded of the tables as they are now, and those before are gone.
 * A summary worker, of the service or of whoever calls, has to be at work.
 *
 * @throws what Redis or Postgres say, or the signal's reason
 */
export async function untilSummariesForget(pool: Pool, redis: Redis, signal: AbortSignal): Promise<void> {
  const wanted = String((await readCheckpoint(pool, TABLES_PROJECTION))?.generation ?? 0);
  for (;;) {
    signal.throwIfAborted();
    const found = await readPosition(redis);
    if (found !== undefined && Number(found.tables) >= Number(wanted) && (await hasOneGeneration(redis))) return;
    await pause(POLL_MS, signal);
  }
}

/** Views name nobody, and are of no generation. */
async function hasOneGeneration(redis: Redis): Promise<boolean> {
  const current = generationPrefix((await redis.get(CURRENT_KEY)) ?? '');
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', `${KEY_PREFIX}*:*`, 'COUNT', 1_000);
    if (keys.some((key) => !key.startsWith(current) && !key.startsWith(viewKey('')))) return false;
    cursor = next;
  } while (cursor !== '0');
  return true;
}
