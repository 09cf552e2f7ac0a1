import type { Pool, PoolClient } from 'pg';
import { lockCheckpoint, nextGeneration, TABLES_PROJECTION } from '../../store/checkpoints.js';
import { addToCounterBase, countInTables } from '../../store/counters.js';
import { LOCK_NAMESPACE, LOCKS } from '../../store/locks.js';
import { LIVE_SCHEMA, PREVIOUS_SCHEMA, SHADOW_SCHEMA, type TableSchema, TIME_COLUMNS } from '../../store/partitions.js';
import { inTransaction } from '../../store/postgres.js';
import { deleteSessionsOf } from '../fold-sessions.js';
import { dropRollups } from '../mark-rollups.js';
import { longQuery } from '../rebuild/patience.js';

/** Tables whose rows may be of a user. */
const USER_TABLES = ['user_events', 'api_metrics'] as const;
type UserTable = (typeof USER_TABLES)[number];

/** Rows that were taken out of the tables that are read. */
export type ErasedRows = Readonly<Record<UserTable, number>>;

export type RowsOutcome =
  | { readonly kind: 'erased'; readonly rows: ErasedRows }
  /** The projector stands before the end of what was read of the log, and may have events of the user in hand. */
  | { readonly kind: 'behind'; readonly sequence: number };

/** Where rows are: the index of a partition finds them by both. */
interface Places {
  readonly eventIds: readonly string[];
  readonly times: readonly Date[];
}

/**
 * Takes a user's rows out of the tables, in one transaction that the projector waits for. What they contributed to the
 * counters since the beginning stays in the counters' base, which names nobody, so no counter goes back. Rollups, sessions
 * and summaries are folded again without them.
 *
 * @param throughSequence rows of later events stay
 * @throws what Postgres says
 */
export async function eraseRows(
  pool: Pool,
  userId: number,
  throughSequence: number,
  nowMs: number,
): Promise<RowsOutcome> {
  const reached = await untilNobodyWrites(pool, throughSequence);
  if (reached.kind === 'behind') return reached;
  // Only now, for no row of these events can come any more; and outside of the transaction, since it takes a look at every
  // row: nobody is held up meanwhile.
  const events = await findRows(pool, 'user_events', userId, throughSequence);
  const requests = await findRows(pool, 'api_metrics', userId, throughSequence);
  return await inTransaction(pool, async (client) => {
    const sequence = (await lockCheckpoint(client, TABLES_PROJECTION))?.sequence ?? 0;
    const rows = {
      user_events: await deleteRows(client, 'user_events', events),
      api_metrics: await deleteRows(client, 'api_metrics', requests),
    };
    if (rows.user_events + rows.api_metrics > 0) {
      const erased = { api: 'erased_api_metrics', user: 'erased_user_events' };
      await addToCounterBase(client, await countInTables(client, erased));
      await deleteSessionsOf(client, erased.user);
      const times = [...events.times, ...requests.times].map((time) => time.getTime());
      await dropRollups(client, times, sequence, nowMs);
      // Deltas name users, too. The summaries are folded of the tables again, so none of them is missed.
      await client.query('delete from summary_outbox');
      await nextGeneration(client);
    }
    return { kind: 'erased', rows };
  });
}

/**
 * Makes sure that nobody has events up to a sequence in hand: the projector has written them, or there is none, and one
 * that was stopped in between is fenced off. Whoever begins reads a log from which they are gone.
 */
async function untilNobodyWrites(
  pool: Pool,
  throughSequence: number,
): Promise<{ readonly kind: 'reached' } | Extract<RowsOutcome, { kind: 'behind' }>> {
  return await inTransaction(pool, async (client) => {
    const sequence = (await lockCheckpoint(client, TABLES_PROJECTION))?.sequence ?? 0;
    if (sequence >= throughSequence) return { kind: 'reached' };
    if (await isProjecting(client)) return { kind: 'behind', sequence };
    await client.query('update projection_checkpoints set epoch = epoch + 1 where name = $1', [TABLES_PROJECTION]);
    return { kind: 'reached' };
  });
}

/** Takes a user's rows out of tables that a rebuild is making, or has left. */
export async function eraseElsewhere(pool: Pool, userId: number, throughSequence: number): Promise<number> {
  let count = 0;
  const schemas: readonly TableSchema[] = [SHADOW_SCHEMA, PREVIOUS_SCHEMA];
  for (const schema of schemas) {
    for (const table of USER_TABLES) {
      if (!(await isThere(pool, schema, table))) continue;
      const [gone] = await longQuery<{ count: string }>(
        pool,
        `with gone as (delete from ${schema}.${table} where user_id = $1 and stream_seq <= $2 returning 1)
         select count(*) from gone`,
        [userId, throughSequence],
      );
      count += Number(gone?.count ?? 0);
    }
  }
  return count;
}

async function isThere(pool: Pool, schema: TableSchema, table: UserTable): Promise<boolean> {
  const { rows } = await pool.query<{ found: boolean }>('select to_regclass($1) is not null as found', [
    `${schema}.${table}`,
  ]);
  return rows[0]?.found === true;
}

/** Whether any process leads as the projector: where none does, nobody has events in hand. */
async function isProjecting(client: PoolClient): Promise<boolean> {
  const { rows } = await client.query(
    `select from pg_locks
     where locktype = 'advisory' and classid = $1 and objid = $2 and granted
       and database = (select oid from pg_database where datname = current_database())`,
    [LOCK_NAMESPACE, LOCKS.projector],
  );
  return rows.length > 0;
}

async function findRows(pool: Pool, table: UserTable, userId: number, throughSequence: number): Promise<Places> {
  const rows = await longQuery<{ event_id: string; at: Date }>(
    pool,
    `select event_id, ${TIME_COLUMNS[table]} as at from ${LIVE_SCHEMA}.${table}
     where user_id = $1 and stream_seq <= $2`,
    [userId, throughSequence],
  );
  return { eventIds: rows.map((row) => row.event_id), times: rows.map((row) => row.at) };
}

/** Moves the rows to a temporary table, of which they are counted once more. */
async function deleteRows(client: PoolClient, table: UserTable, { eventIds, times }: Places): Promise<number> {
  await client.query(`create temporary table erased_${table} (like ${LIVE_SCHEMA}.${table}) on commit drop`);
  const { rowCount } = await client.query(
    `with erased as (
       delete from ${LIVE_SCHEMA}.${table} as live
       using unnest($1::text[], $2::timestamptz[]) as gone (event_id, at)
       where live.event_id = gone.event_id and live.${TIME_COLUMNS[table]} = gone.at
       returning live.*
     )
     insert into erased_${table} select * from erased`,
    [eventIds, times],
  );
  return rowCount ?? 0;
}
