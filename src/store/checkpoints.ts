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
  readonly lastEventId: string;
}

/** The projection of the log into the three tables. The name is permanent. */
export const TABLES_PROJECTION = 'tables';

interface CheckpointRow {
  readonly sequence: string;
  readonly epoch: string;
  readonly holder: string;
  readonly stream_created_at: string;
  readonly last_event_id: string;
}

const COLUMNS = 'sequence, epoch, holder, stream_created_at, last_event_id';

/** Reads a checkpoint; undefined before the first projector ran. */
export async function readCheckpoint(client: Pool | PoolClient, name: string): Promise<Checkpoint | undefined> {
  const { rows } = await client.query<CheckpointRow>(`select ${COLUMNS} from projection_checkpoints where name = $1`, [
    name,
  ]);
  return rows[0] === undefined ? undefined : fromRow(rows[0]);
}

/**
 * Begins a new epoch, which fences off every earlier projector, and makes the checkpoint where there is none.
 *
 * @param holder who begins it, for operators
 * @param streamCreatedAt when the stream was created; kept from the first event on
 */
export async function beginEpoch(
  pool: Pool,
  name: string,
  holder: string,
  streamCreatedAt: string,
): Promise<Checkpoint> {
  const { rows } = await pool.query<CheckpointRow>(
    `insert into projection_checkpoints (name, sequence, epoch, holder, stream_created_at, last_event_id, updated_at)
     values ($1, 0, 1, $2, $3, '', now())
     on conflict (name) do update
       set epoch = projection_checkpoints.epoch + 1, holder = excluded.holder, updated_at = now(),
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
  to: { readonly sequence: number; readonly lastEventId: string },
): Promise<boolean> {
  const { rowCount } = await client.query(
    `update projection_checkpoints
     set sequence = $1, last_event_id = $2, updated_at = now()
     where name = $3 and sequence = $4 and epoch = $5`,
    [to.sequence, to.lastEventId, name, from.sequence, from.epoch],
  );
  return rowCount === 1;
}

function fromRow(row: CheckpointRow): Checkpoint {
  return {
    sequence: Number(row.sequence),
    epoch: Number(row.epoch),
    holder: row.holder,
    streamCreatedAt: row.stream_created_at,
    lastEventId: row.last_event_id,
  };
}
