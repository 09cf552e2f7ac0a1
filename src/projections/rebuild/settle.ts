import type { Pool } from 'pg';
import {
  EVENT_TABLES,
  LIVE_SCHEMA,
  listPartitions,
  PREVIOUS_SCHEMA,
  SHADOW_SCHEMA,
  type TableSchema,
} from '../../store/partitions.js';
import { withPatience } from './patience.js';
import { REPLACED_TABLE, type Replaced } from './rebuild-state.js';
import { dropTables } from './shadow-tables.js';

/**
 * Clears up behind a swap, in small steps, each of which may be the last before a crash: the old partitions go, or go where
 * their tables are; then those of the live tables move into the live schema.
 *
 * @throws TablesBusy, what Postgres says
 */
export async function settle(pool: Pool, { keep }: Replaced, signal: AbortSignal): Promise<void> {
  // First, so that the names are free in the live schema.
  if (keep) await movePartitions(pool, PREVIOUS_SCHEMA, signal);
  else await dropTables(pool, PREVIOUS_SCHEMA, signal);
  await movePartitions(pool, LIVE_SCHEMA, signal);
  await withPatience(pool, signal, (client) => client.query(`drop schema if exists ${SHADOW_SCHEMA}`));
  if (keep) await withPatience(pool, signal, (client) => client.query(`update ${REPLACED_TABLE} set settled = true`));
  else await dropPrevious(pool, signal);
}

/** Takes away what was replaced. */
export async function dropPrevious(pool: Pool, signal: AbortSignal): Promise<void> {
  await dropTables(pool, PREVIOUS_SCHEMA, signal);
  await withPatience(pool, signal, async (client) => {
    for (const table of EVENT_TABLES) await client.query(`drop table if exists ${PREVIOUS_SCHEMA}.${table}`);
    await client.query(`drop table if exists ${REPLACED_TABLE}`);
    await client.query(`drop schema if exists ${PREVIOUS_SCHEMA}`);
  });
}

/** Moves the partitions of a schema's tables to them. */
async function movePartitions(pool: Pool, schema: TableSchema, signal: AbortSignal): Promise<void> {
  for (const table of EVENT_TABLES) {
    for (const partition of await listPartitions(pool, table, schema)) {
      if (partition.schema === schema) continue;
      await withPatience(pool, signal, async (client) => {
        // It may have been dropped meanwhile, or moved out of the way of a new one.
        const current = await listPartitions(client, table, schema);
        if (!current.some(({ name }) => name === partition.name)) return;
        await client.query(`alter table ${partition.name} set schema ${schema}`);
      });
    }
  }
}
