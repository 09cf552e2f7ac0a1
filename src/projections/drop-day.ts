import { DatabaseError, type Pool, type PoolClient } from 'pg';
import { addToCounterBase, countInTables } from '../store/counters.js';
import {
  EVENT_TABLES,
  type EventTable,
  findPartition,
  LIVE_SCHEMA,
  PREVIOUS_SCHEMA,
  type TableSchema,
} from '../store/partitions.js';
import { inTransaction } from '../store/postgres.js';

/** `busy`: somebody is reading or writing that day; nothing was changed, and it is to be tried again later. */
export type DropOutcome = 'dropped' | 'absent' | 'busy';

/**
 * Who comes while this waits for a lock waits behind it: for at most the three tables together, which is below a second.
 */
const LOCK_TIMEOUT_MS = 300;
/**
 * A lock that was not to be had, a deadlock, which the same patience ends, and a partition that is no longer there, or no
 * longer the table's: a rebuild has replaced the tables or moved the partition meanwhile.
 */
const BUSY = new Set(['55P03', '40P01', '42P01']);

/**
 * Drops the partitions of a day (whole days since 1970), and adds what they contribute to the counters since the
 * beginning to their base, in one transaction: no reader sees the one without the other, so no counter goes back.
 *
 * It is meant for days past the retention. Their latest measurements, and services that were seen no later, go with
 * the rows: neither source shows those that are past the retention, dropped or not.
 *
 * While the day is counted nobody can write into it; others go on. Events of a day past the retention are refused when
 * the log is read, so nobody does.
 *
 * @throws what Postgres says
 */
export async function dropDay(pool: Pool, day: number): Promise<DropOutcome> {
  return await inTurn(pool, async (client) => {
    const partitions = await findPartitions(client, day, LIVE_SCHEMA);
    if (partitions.size === 0) return 'absent';
    await client.query(`lock table ${[...partitions.values()].join(', ')} in share mode`);
    const tables = { api: partitions.get('api_metrics') ?? null, user: partitions.get('user_events') ?? null };
    await addToCounterBase(client, await countInTables(client, tables));
    // The locks that hold up others come last, when nothing is left to count.
    for (const [table, partition] of partitions) {
      await client.query(`alter table ${table} detach partition ${partition}`);
      await client.query(`drop table ${partition}`);
    }
    return 'dropped';
  });
}

/**
 * Drops the partitions of a day of the tables that a rebuild has replaced and kept. Their rows are in the live tables or
 * their counters' base, so nothing is added to it.
 *
 * @throws what Postgres says
 */
export async function dropPreviousDay(pool: Pool, day: number): Promise<DropOutcome> {
  return await inTurn(pool, async (client) => {
    const partitions = await findPartitions(client, day, PREVIOUS_SCHEMA);
    for (const partition of partitions.values()) await client.query(`drop table ${partition}`);
    return partitions.size === 0 ? 'absent' : 'dropped';
  });
}

/** In one transaction, which gives up its turn where a lock is not to be had soon. */
async function inTurn(pool: Pool, work: (client: PoolClient) => Promise<DropOutcome>): Promise<DropOutcome> {
  try {
    return await inTransaction(pool, async (client) => {
      await client.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
      return await work(client);
    });
  } catch (error) {
    if (error instanceof DatabaseError && BUSY.has(error.code ?? '')) return 'busy';
    throw error;
  }
}

async function findPartitions(client: PoolClient, day: number, schema: TableSchema): Promise<Map<EventTable, string>> {
  const found = new Map<EventTable, string>();
  for (const table of EVENT_TABLES) {
    const partition = await findPartition(client, table, day, schema);
    if (partition !== undefined) found.set(table, partition);
  }
  return found;
}
