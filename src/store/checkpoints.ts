import type { Pool, PoolClient } from 'pg';

/** Where a projection stands in the log. */
export interface Checkpoint {
  /** Sequence of the last event that is in the tables. */
  readonly sequence: number;
  /** Counts the projectors that had the lock; who holds an older one is fenced off. */
  readonly epoch: number;
  /** The process that began the epoch, for operators. */
  readonly holder: string;
  readonly streamCreatedAt: string;
  /** Id of the last event; empty where the last message was none. */
  readonly lastEventId: string;
  /** When JetStream stored the last message, in ms since 1970; 0 before the first. */
  readonly lastStoredAtMs: number;
  /** Why the projection waits for a person; null while it does not. */
  readonly haltReason: string | null;
  /** A projection that was begun anew has whole numbers from this sequence on. */
  readonly wholeFrom: number;
  /**
   * Of the tables: how often rows of the past were changed (`nextGeneration`). Of what is folded of them: the generation
   * that it was folded of.
   */
  readonly generation: number;
}

/** What a checkpoint is moved to. */
export type Progress = Pick<Checkpoint, 'sequence' | 'lastEventId' | 'lastStoredAtMs'>;

/** The projection of the log into the three tables. The name is permanent. */
export const TABLES_PROJECTION = 'tables';
/** The tables' deltas in Redis, of which Postgres knows the leader alone. The name is permanent. */
export const SUMMARIES_PROJECTION = 'summaries';
/** The fold of the tables' user events into sessions. The name is permanent. */
export const SESSIONS_PROJECTION = 'sessions';

/** The fold of the log into tables that are to take the place of the live ones. The name is permanent. */
export const REBUILD_PROJECTION = 'rebuild';

interface CheckpointRow {
  readonly name: string;
  readonly sequence: string;
  readonly epoch: string;
  readonly holder: string;
  readonly stream_created_at: string;
  readonly last_event_id: string;
  readonly last_stored_at_ms: string;
  readonly halt_reason: string | null;
  readonly whole_from: string;
  readonly generation: string;
}

const COLUMNS =
  'name, sequence, epoch, holder, stream_created_at, last_event_id, last_stored_at_ms, halt_reason, whole_from, generation';

/** Reads a checkpoint; undefined before the first projector ran. */
export async function readCheckpoint(client: Pool | PoolClient, name: string): Promise<Checkpoint | undefined> {
  const { rows } = await client.query<CheckpointRow>(`select ${COLUMNS} from projection_checkpoints where name = $1`, [
    name,
  ]);
  return rows[0] === undefined ? undefined : fromRow(rows[0]);
}

/** Reads several as of one moment. */
export async function readCheckpoints(
  client: Pool | PoolClient,
  names: readonly string[],
): Promise<ReadonlyMap<string, Checkpoint>> {
  const { rows } = await client.query<CheckpointRow>(
    `select ${COLUMNS} from projection_checkpoints where name = any($1)`,
    [names],
  );
  return new Map(rows.map((row) => [row.name, fromRow(row)]));
}

/** The log is this far ahead of the tables when they are catching up ... */
const BEHIND_SECONDS = 10;
/** ... and it was this short a time ago that they last moved. */
const MOVING_SECONDS = 2;

/** Whether the tables are behind the log and on their way: what they say of the past is about to change. */
export async function isCatchingUp(pool: Pool): Promise<boolean> {
  const { rows } = await pool.query(
    `select from projection_checkpoints
     where name = $1 and updated_at > now() - make_interval(secs => ${MOVING_SECONDS})
       and to_timestamp(last_stored_at_ms / 1000.0) < now() - make_interval(secs => ${BEHIND_SECONDS})`,
    [TABLES_PROJECTION],
  );
  return rows.length > 0;
}

/** Reads it and keeps it from being moved until the transaction ends. */
export async function lockCheckpoint(client: PoolClient, name: string): Promise<Checkpoint | undefined> {
  const { rows } = await client.query<CheckpointRow>(
    `select ${COLUMNS} from projection_checkpoints where name = $1 for update`,
    [name],
  );
  return rows[0] === undefined ? undefined : fromRow(rows[0]);
}

/**
 * Begins a new epoch of a projection that has a checkpoint.
 *
 * @returns undefined where it has none
 */
export async function renewEpoch(pool: Pool, name: string, holder: string): Promise<Checkpoint | undefined> {
  const { rows } = await pool.query<CheckpointRow>(
    `update projection_checkpoints set epoch = epoch + 1, holder = $2, updated_at = now()
     where name = $1 returning ${COLUMNS}`,
    [name, holder],
  );
  return rows[0] === undefined ? undefined : fromRow(rows[0]);
}

/**
 * Makes the epoch later than one that was met in another server, which knows of more epochs than Postgres does.
 *
 * @returns undefined where a later epoch than `at` has begun
 */
export async function passEpoch(
  pool: Pool,
  name: string,
  at: Checkpoint,
  met: number,
): Promise<Checkpoint | undefined> {
  const { rows } = await pool.query<CheckpointRow>(
    `update projection_checkpoints set epoch = $3::bigint + 1, updated_at = now()
     where name = $1 and epoch = $2 returning ${COLUMNS}`,
    [name, at.epoch, met],
  );
  return rows[0] === undefined ? undefined : fromRow(rows[0]);
}

/**
 * Begins a new epoch, which fences off every earlier projector, and makes the checkpoint where there is none.
 *
 * @param holder who begins it, for operators
 * @param streamCreatedAt when the stream was created; kept from the first event on
 */
export async function beginEpoch(
  pool: Pool | PoolClient,
  name: string,
  holder: string,
  streamCreatedAt: string,
): Promise<Checkpoint> {
  const { rows } = await pool.query<CheckpointRow>(
    `insert into projection_checkpoints
       (name, sequence, epoch, holder, stream_created_at, last_event_id, last_stored_at_ms, updated_at)
     values ($1, 0, 1, $2, $3, '', 0, now())
     on conflict (name) do update
       set epoch = projection_checkpoints.epoch + 1, holder = excluded.holder, updated_at = now(),
           halt_reason = null,
           stream_created_at = case when projection_checkpoints.sequence = 0
             then excluded.stream_created_at else projection_checkpoints.stream_created_at end
     returning ${COLUMNS}`,
    [name, holder, streamCreatedAt],
  );
  if (rows[0] === undefined) throw new Error('The checkpoint could not be written');
  return fromRow(rows[0]);
}

/**
 * Moves the checkpoint, only from where the batch began and only under the epoch that read it.
 *
 * @returns false where somebody else moved it or began a later epoch: the transaction must be rolled back
 */
export async function moveCheckpoint(
  client: PoolClient,
  name: string,
  from: Checkpoint,
  to: Progress,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `update projection_checkpoints
     set sequence = $1, last_event_id = $2, last_stored_at_ms = $3, updated_at = now()
     where name = $4 and sequence = $5 and epoch = $6`,
    [to.sequence, to.lastEventId, to.lastStoredAtMs, name, from.sequence, from.epoch],
  );
  return rowCount === 1;
}

/**
 * Sets a projection to where it begins anew: 0 while what it holds is to be emptied. Fenced like every write.
 *
 * @returns false where a later epoch has begun
 */
export async function restartCheckpoint(
  client: Pool | PoolClient,
  name: string,
  at: Checkpoint,
  to: Pick<Checkpoint, 'sequence' | 'wholeFrom' | 'streamCreatedAt' | 'generation'>,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `update projection_checkpoints
     set sequence = $1, whole_from = $2, stream_created_at = $3, generation = $4, last_event_id = '',
         last_stored_at_ms = 0, updated_at = now()
     where name = $5 and sequence = $6 and epoch = $7`,
    [to.sequence, to.wholeFrom, to.streamCreatedAt, to.generation, name, at.sequence, at.epoch],
  );
  return rowCount === 1;
}

/**
 * To be called in the transaction that changes rows of the past in the tables: what is folded of them, the summaries and
 * the sessions, is then folded anew. Until it is, readers see what there was.
 */
export async function nextGeneration(client: PoolClient): Promise<void> {
  await client.query('update projection_checkpoints set generation = generation + 1 where name = $1', [
    TABLES_PROJECTION,
  ]);
}

/**
 * The same, where user events stay as they are or the summaries alone are to be folded anew: the sessions are taken for
 * those of the next generation, if they are those of this one.
 */
export async function nextGenerationOfSummaries(client: PoolClient): Promise<void> {
  await client.query(
    `update projection_checkpoints set generation = generation + 1
     where name = $1 or (
       name = $2 and generation = (select generation from projection_checkpoints where name = $1)
     )`,
    [TABLES_PROJECTION, SESSIONS_PROJECTION],
  );
}

/** Notes another time of creation for a stream that was found to be the same; fenced like every write. */
export async function noteStreamCreated(pool: Pool, name: string, at: Checkpoint, createdAt: string): Promise<void> {
  await pool.query('update projection_checkpoints set stream_created_at = $1 where name = $2 and epoch = $3', [
    createdAt,
    name,
    at.epoch,
  ]);
}

/** Notes why the projection waits for a person, so that every process can tell; the next epoch clears it. */
export async function noteHalt(pool: Pool, name: string, at: Checkpoint, reason: string): Promise<void> {
  await pool.query('update projection_checkpoints set halt_reason = $1 where name = $2 and epoch = $3', [
    reason,
    name,
    at.epoch,
  ]);
}

function fromRow(row: CheckpointRow): Checkpoint {
  return {
    sequence: Number(row.sequence),
    epoch: Number(row.epoch),
    holder: row.holder,
    streamCreatedAt: row.stream_created_at,
    lastEventId: row.last_event_id,
    lastStoredAtMs: Number(row.last_stored_at_ms),
    haltReason: row.halt_reason,
    wholeFrom: Number(row.whole_from),
    generation: Number(row.generation),
  };
}
