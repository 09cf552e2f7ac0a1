import type { Pool, PoolClient } from 'pg';
import { type Checkpoint, REBUILD_PROJECTION, readCheckpoint } from '../../store/checkpoints.js';
import {
  type EventTable,
  listPartitions,
  PREVIOUS_SCHEMA,
  SHADOW_SCHEMA,
  type TableSchema,
} from '../../store/partitions.js';
import { withPatience } from './patience.js';
import { type Candidate, REPLACED_TABLE, type RebuildWishes, type Replaced, WISHES_TABLE } from './rebuild-state.js';
import { noteWishes } from './shadow-tables.js';

/** The tables that were kept become those that are to take the place of the live ones, from their checkpoint on. */
export async function takeBackPrevious(
  pool: Pool,
  replaced: Replaced,
  wishes: RebuildWishes,
  holder: string,
  signal: AbortSignal,
): Promise<void> {
  await withPatience(pool, signal, async (client) => {
    await client.query(`create schema ${SHADOW_SCHEMA}`);
    await moveTables(client, replaced.tables, PREVIOUS_SCHEMA, SHADOW_SCHEMA);
    await noteWishes(client, 'previous', wishes);
    await client.query(
      `insert into projection_checkpoints
         (name, sequence, epoch, holder, stream_created_at, last_event_id, last_stored_at_ms, updated_at)
       values ($1, $2, 1, $3, $4, $5, $6, now())`,
      [
        REBUILD_PROJECTION,
        replaced.sequence,
        holder,
        replaced.streamCreatedAt,
        replaced.lastEventId,
        replaced.lastStoredAtMs,
      ],
    );
    await client.query(`drop table ${REPLACED_TABLE}`);
    await client.query(`drop schema ${PREVIOUS_SCHEMA}`);
  });
}

/** A rollback that was called off leaves the tables where they were, further than they had been. */
export async function giveBackPrevious(pool: Pool, candidate: Candidate, signal: AbortSignal): Promise<void> {
  await withPatience(pool, signal, async (client) => {
    const checkpoint = await readCheckpoint(client, REBUILD_PROJECTION);
    if (checkpoint === undefined) return;
    await client.query(`create schema ${PREVIOUS_SCHEMA}`);
    await moveTables(client, candidate.tables, SHADOW_SCHEMA, PREVIOUS_SCHEMA);
    await noteReplaced(client, { keep: true, summaries: candidate.summaries, settled: true }, checkpoint);
    await client.query('delete from projection_checkpoints where name = $1', [REBUILD_PROJECTION]);
    await client.query(`drop table ${WISHES_TABLE}`);
    await client.query(`drop schema ${SHADOW_SCHEMA}`);
  });
}

/** Notes beside replaced tables of which moment they are. */
export async function noteReplaced(
  client: PoolClient,
  { keep, summaries, settled }: Pick<Replaced, 'keep' | 'summaries' | 'settled'>,
  at: Checkpoint | undefined,
): Promise<void> {
  await client.query(
    `create table ${REPLACED_TABLE} (keep boolean not null, summaries boolean not null, settled boolean not null,
       sequence bigint not null, stream_created_at text not null, last_event_id text not null,
       last_stored_at_ms bigint not null)`,
  );
  await client.query(`insert into ${REPLACED_TABLE} values ($1, $2, $3, $4, $5, $6, $7)`, [
    keep,
    summaries,
    settled,
    at?.sequence ?? 0,
    at?.streamCreatedAt ?? '',
    at?.lastEventId ?? '',
    at?.lastStoredAtMs ?? 0,
  ]);
}

/** Together with their partitions. Nobody reads them, so no lock is waited for. */
async function moveTables(
  client: PoolClient,
  tables: readonly EventTable[],
  from: TableSchema,
  to: TableSchema,
): Promise<void> {
  for (const table of tables) {
    const partitions = await listPartitions(client, table, from);
    for (const { name } of partitions) await client.query(`alter table ${name} set schema ${to}`);
    await client.query(`alter table ${from}.${table} set schema ${to}`);
  }
}
