import type { Pool, PoolClient } from 'pg';
import { beginEpoch, type Checkpoint, REBUILD_PROJECTION } from '../../store/checkpoints.js';
import {
  EVENT_TABLES,
  type EventTable,
  LIVE_SCHEMA,
  listPartitions,
  SHADOW_SCHEMA,
  TIME_COLUMNS,
} from '../../store/partitions.js';
import { inTransaction } from '../../store/postgres.js';
import type { Pace } from '../pace.js';
import { longQuery, withPatience } from './patience.js';
import { type RebuildWishes, WISHES_TABLE } from './rebuild-state.js';

/** Makes empty tables like the live ones beside them, and a checkpoint of their own, in one transaction. */
export async function createShadow(
  pool: Pool,
  tables: readonly EventTable[],
  wishes: RebuildWishes,
  holder: string,
  streamCreatedAt: string,
): Promise<Checkpoint> {
  return await inTransaction(pool, async (client) => {
    await client.query(`create schema if not exists ${SHADOW_SCHEMA}`);
    for (const table of tables) {
      await client.query(
        `create table ${SHADOW_SCHEMA}.${table} (like ${LIVE_SCHEMA}.${table} including all)
         partition by range (${TIME_COLUMNS[table]})`,
      );
      await copyGrants(client, table);
    }
    await noteWishes(client, 'log', wishes);
    return await beginEpoch(client, REBUILD_PROJECTION, holder, streamCreatedAt);
  });
}

export async function noteWishes(
  client: PoolClient,
  origin: 'log' | 'previous',
  { keep, dryRun, summaries }: RebuildWishes,
): Promise<void> {
  await client.query(
    `create table ${WISHES_TABLE} (origin text not null, keep boolean not null, dry_run boolean not null,
       summaries boolean not null)`,
  );
  await client.query(`insert into ${WISHES_TABLE} values ($1, $2, $3, $4)`, [origin, keep, dryRun, summaries]);
}

/** Who may read the live table may read the one that takes its place. */
async function copyGrants(client: PoolClient, table: EventTable): Promise<void> {
  const { rows } = await client.query<{ statement: string }>(
    `select format('grant %s on ${SHADOW_SCHEMA}.${table} to %s%s', privilege_type,
       case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end,
       case when is_grantable then ' with grant option' else '' end) as statement
     from pg_class cross join lateral aclexplode(relacl)
     where pg_class.oid = $1::regclass and grantee <> relowner`,
    [`${LIVE_SCHEMA}.${table}`],
  );
  for (const { statement } of rows) await client.query(statement);
}

/** Drops the tables of a schema by and by: first their partitions, each by itself, wherever they are. */
export async function dropTables(
  pool: Pool,
  schema: Parameters<typeof listPartitions>[2],
  signal: AbortSignal,
): Promise<void> {
  for (const table of EVENT_TABLES) {
    for (const { name } of await listPartitions(pool, table, schema)) {
      await withPatience(pool, signal, (client) => client.query(`drop table if exists ${name}`));
    }
  }
}

/** Takes the candidate away without a trace. */
export async function dropShadow(pool: Pool, signal: AbortSignal): Promise<void> {
  await dropTables(pool, SHADOW_SCHEMA, signal);
  await withPatience(pool, signal, async (client) => {
    await client.query('delete from projection_checkpoints where name = $1', [REBUILD_PROJECTION]);
    for (const table of EVENT_TABLES) await client.query(`drop table if exists ${SHADOW_SCHEMA}.${table}`);
    await client.query(`drop table if exists ${WISHES_TABLE}`);
    await client.query(`drop schema if exists ${SHADOW_SCHEMA}`);
  });
}

/** The days that a table of the candidate lacks of those that the live one has. */
export async function missingDays(client: Pool | PoolClient, table: EventTable): Promise<number[]> {
  const live = await listPartitions(client, table, LIVE_SCHEMA);
  const shadow = new Set((await listPartitions(client, table, SHADOW_SCHEMA)).map(({ day }) => day));
  return live.flatMap(({ day }) => (shadow.has(day) ? [] : [day]));
}

/**
 * Partitions of the candidate that are older than every day of the live tables: their retention dropped those days, and has
 * added them to the base of the counters. Days in between that the live tables lack are what a rebuild brings back.
 */
export async function droppedDays(client: Pool | PoolClient, tables: readonly EventTable[]): Promise<string[]> {
  const live: number[] = [];
  for (const table of EVENT_TABLES) {
    for (const { day } of await listPartitions(client, table, LIVE_SCHEMA)) live.push(day);
  }
  if (live.length === 0) return [];
  const oldest = Math.min(...live);
  const names: string[] = [];
  for (const table of tables) {
    for (const { day, name } of await listPartitions(client, table, SHADOW_SCHEMA)) if (day < oldest) names.push(name);
  }
  return names;
}

/**
 * What the planner and index-only scans need to know of the new rows, before anybody reads them: without it the first
 * answers would be slow ones.
 */
export async function vacuumShadow(
  pool: Pool,
  tables: readonly EventTable[],
  pace: Pace,
  onProgress: (done: number, total: number) => void,
): Promise<void> {
  const lists = await Promise.all(tables.map((table) => listPartitions(pool, table, SHADOW_SCHEMA)));
  const partitions = lists.flat();
  for (const [index, { name }] of partitions.entries()) {
    await pace.of(() => longQuery(pool, `vacuum ${name}`));
    onProgress(index + 1, partitions.length);
  }
  for (const table of tables) await pace.of(() => longQuery(pool, `analyze ${SHADOW_SCHEMA}.${table}`));
}
