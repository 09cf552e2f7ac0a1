import { DatabaseError, type Pool } from 'pg';
import { type Checkpoint, REBUILD_PROJECTION, readCheckpoint } from '../../store/checkpoints.js';
import {
  EVENT_TABLES,
  type EventTable,
  PREVIOUS_SCHEMA,
  SHADOW_SCHEMA,
  type TableSchema,
} from '../../store/partitions.js';

/** What was asked for when a rebuild began; it holds for whoever resumes it. */
export interface RebuildWishes {
  /** The replaced tables are kept for a rollback. */
  readonly keep: boolean;
  /** It ends before the swap, and leaves no trace. */
  readonly dryRun: boolean;
  /** The summaries are folded anew of the new tables. */
  readonly summaries: boolean;
}

/** Tables that are to take the place of the live ones. */
export interface Candidate extends RebuildWishes {
  /** `log`: folded from its beginning. `previous`: those of before the last rebuild. */
  readonly origin: 'log' | 'previous';
  readonly tables: readonly EventTable[];
  /** How far they are folded. */
  readonly checkpoint: Checkpoint;
}

/** Tables that were replaced, as of the checkpoint of the swap. */
export interface Replaced {
  readonly tables: readonly EventTable[];
  readonly keep: boolean;
  readonly summaries: boolean;
  /** All is cleared up behind the swap. */
  readonly settled: boolean;
  readonly sequence: number;
  readonly streamCreatedAt: string;
  readonly lastEventId: string;
  readonly lastStoredAtMs: number;
}

/** All that there is of rebuilds: what lies in the two schemas. It changes in transactions, so it is never half. */
export interface RebuildState {
  readonly candidate: Candidate | undefined;
  readonly replaced: Replaced | undefined;
}

/** Beside the candidate's tables: what was asked for. */
export const WISHES_TABLE = `${SHADOW_SCHEMA}.rebuild`;
/** Beside the replaced tables: of which moment they are. */
export const REPLACED_TABLE = `${PREVIOUS_SCHEMA}.replaced`;

interface WishesRow {
  readonly origin: 'log' | 'previous';
  readonly keep: boolean;
  readonly dry_run: boolean;
  readonly summaries: boolean;
}

interface ReplacedRow {
  readonly keep: boolean;
  readonly summaries: boolean;
  readonly settled: boolean;
  readonly sequence: string;
  readonly stream_created_at: string;
  readonly last_event_id: string;
  readonly last_stored_at_ms: string;
}

const UNDEFINED_TABLE = '42P01';

export async function readRebuildState(pool: Pool): Promise<RebuildState> {
  const [candidate, replaced] = [await readCandidate(pool), await readReplaced(pool)];
  return { candidate, replaced };
}

async function readCandidate(pool: Pool): Promise<Candidate | undefined> {
  const checkpoint = await readCheckpoint(pool, REBUILD_PROJECTION);
  if (checkpoint === undefined) return undefined;
  const row = await readOnlyRow<WishesRow>(pool, `select origin, keep, dry_run, summaries from ${WISHES_TABLE}`);
  if (row === undefined) return undefined;
  const { origin, keep, dry_run: dryRun, summaries } = row;
  return { origin, keep, dryRun, summaries, tables: await tablesIn(pool, SHADOW_SCHEMA), checkpoint };
}

async function readReplaced(pool: Pool): Promise<Replaced | undefined> {
  const row = await readOnlyRow<ReplacedRow>(
    pool,
    `select keep, summaries, settled, sequence, stream_created_at, last_event_id, last_stored_at_ms
     from ${REPLACED_TABLE}`,
  );
  if (row === undefined) return undefined;
  return {
    tables: await tablesIn(pool, PREVIOUS_SCHEMA),
    keep: row.keep,
    summaries: row.summaries,
    settled: row.settled,
    sequence: Number(row.sequence),
    streamCreatedAt: row.stream_created_at,
    lastEventId: row.last_event_id,
    lastStoredAtMs: Number(row.last_stored_at_ms),
  };
}

/** Where the table is not there, or goes while it is asked for, there is nothing. */
async function readOnlyRow<R extends object>(pool: Pool, text: string): Promise<R | undefined> {
  try {
    return (await pool.query<R>(text)).rows[0];
  } catch (error) {
    if (error instanceof DatabaseError && error.code === UNDEFINED_TABLE) return undefined;
    throw error;
  }
}

/** Which of the product's tables a schema has. */
export async function tablesIn(pool: Pool, schema: TableSchema): Promise<readonly EventTable[]> {
  const { rows } = await pool.query<{ name: string }>(
    `select relname as name from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace
     where nspname = $1 and relkind = 'p'`,
    [schema],
  );
  return EVENT_TABLES.filter((table) => rows.some(({ name }) => name === table));
}
