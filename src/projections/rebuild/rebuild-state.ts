import type { Pool, PoolClient } from 'pg';
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

export async function readRebuildState(client: Pool | PoolClient): Promise<RebuildState> {
  const [candidate, replaced] = [await readCandidate(client), await readReplaced(client)];
  return { candidate, replaced };
}

async function readCandidate(client: Pool | PoolClient): Promise<Candidate | undefined> {
  const checkpoint = await readCheckpoint(client, REBUILD_PROJECTION);
  if (checkpoint === undefined || !(await exists(client, WISHES_TABLE))) return undefined;
  const { rows } = await client.query<WishesRow>(`select origin, keep, dry_run, summaries from ${WISHES_TABLE}`);
  const [row] = rows;
  if (row === undefined) return undefined;
  const { origin, keep, dry_run: dryRun, summaries } = row;
  return { origin, keep, dryRun, summaries, tables: await tablesIn(client, SHADOW_SCHEMA), checkpoint };
}

async function readReplaced(client: Pool | PoolClient): Promise<Replaced | undefined> {
  if (!(await exists(client, REPLACED_TABLE))) return undefined;
  const { rows } = await client.query<ReplacedRow>(
    `select keep, summaries, settled, sequence, stream_created_at, last_event_id, last_stored_at_ms
     from ${REPLACED_TABLE}`,
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  return {
    tables: await tablesIn(client, PREVIOUS_SCHEMA),
    keep: row.keep,
    summaries: row.summaries,
    settled: row.settled,
    sequence: Number(row.sequence),
    streamCreatedAt: row.stream_created_at,
    lastEventId: row.last_event_id,
    lastStoredAtMs: Number(row.last_stored_at_ms),
  };
}

async function exists(client: Pool | PoolClient, name: string): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>('select to_regclass($1) is not null as found', [name]);
  return rows[0]?.found === true;
}

/** Which of the product's tables a schema has. */
export async function tablesIn(client: Pool | PoolClient, schema: TableSchema): Promise<readonly EventTable[]> {
  const { rows } = await client.query<{ name: string }>(
    `select relname as name from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace
     where nspname = $1 and relkind = 'p'`,
    [schema],
  );
  return EVENT_TABLES.filter((table) => rows.some(({ name }) => name === table));
}
