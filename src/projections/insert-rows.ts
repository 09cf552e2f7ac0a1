import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Pool, PoolClient } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import {
  dayOf,
  EVENT_TABLES,
  type EventTable,
  LIVE_SCHEMA,
  type TableSchema,
  TIME_COLUMNS,
} from '../store/partitions.js';
import { inTransaction } from '../store/postgres.js';
import { COPY_COLUMNS, type Row } from './rows.js';

/** How the rows go into the tables: straight, or through staging tables that leave out what is there already. */
export type WriteMode = 'copy' | 'staging';

const CHUNK_CHARACTERS = 65_536;
const DAY_MS = 86_400_000;

/**
 * Inserts rows in the order of the log into the tables of a schema, without those that are there already. A rebuild takes the
 * same way as the projector, so that it leaves out the same.
 *
 * @returns the rows that were inserted
 * @throws what Postgres says: in mode `copy` also for a row that is there
 */
export async function insertRows(
  client: PoolClient,
  rows: readonly Row[],
  mode: WriteMode,
  schema: TableSchema = LIVE_SCHEMA,
): Promise<readonly Row[]> {
  const fresh = await withoutResends(client, rows, schema);
  if (mode === 'staging') return await keepInserted(client, fresh, schema);
  await copyRows(client, fresh, (table) => `${schema}.${table}`);
  return fresh;
}

/**
 * Finds the rows that Postgres refuses, by halving: each part is copied in a transaction that is rolled back.
 *
 * @throws where a part fails for another reason than its rows
 */
export async function findRefusedRows(
  pool: Pool,
  rows: readonly Row[],
  isRefusal: (error: unknown) => boolean,
  schema: TableSchema = LIVE_SCHEMA,
): Promise<{ readonly row: Row; readonly error: unknown }[]> {
  const error = await tryRows(pool, rows, isRefusal, schema);
  const [first] = rows;
  if (error === undefined || first === undefined) return [];
  if (rows.length === 1) return [{ row: first, error }];
  const middle = Math.floor(rows.length / 2);
  return [
    ...(await findRefusedRows(pool, rows.slice(0, middle), isRefusal, schema)),
    ...(await findRefusedRows(pool, rows.slice(middle), isRefusal, schema)),
  ];
}

/** Raised to roll back a trial that went well. */
class TrialEnded extends Error {}

async function tryRows(
  pool: Pool,
  rows: readonly Row[],
  isRefusal: (error: unknown) => boolean,
  schema: TableSchema,
): Promise<unknown> {
  try {
    await inTransaction(pool, async (client) => {
      await keepInserted(client, rows, schema);
      throw new TrialEnded();
    });
  } catch (error) {
    if (error instanceof TrialEnded) return undefined;
    if (isRefusal(error)) return error;
    throw error;
  }
  return undefined;
}

/**
 * Leaves out resends that carry no time of their own and so fell on a later day than the first: the index of a
 * partition does not see them. The day before is looked at, so such a resend is known for at least 24 hours. Whether the
 * first stands in the tables or in the same batch makes no difference: a rebuild cuts other batches of the same log.
 */
async function withoutResends(client: PoolClient, rows: readonly Row[], schema: TableSchema): Promise<readonly Row[]> {
  const suspects = rows.filter((row) => row.timeFromLog);
  if (suspects.length === 0) return rows;
  const known = await findOnDaysBefore(client, suspects, schema);
  return rows.filter((row) => {
    const day = dayOf(row.timeMs);
    if (row.timeFromLog && (known.has(keyOf(row, day - 1)) || known.has(keyOf(row, day)))) return false;
    known.add(keyOf(row, day));
    return true;
  });
}

/** Which of these ids are in the tables on the day before their row's, as `keyOf` names them. */
async function findOnDaysBefore(
  client: PoolClient,
  suspects: readonly Row[],
  schema: TableSchema,
): Promise<Set<string>> {
  const known = new Set<string>();
  for (const table of EVENT_TABLES) {
    const ofTable = suspects.filter((row) => row.table === table);
    for (const day of new Set(ofTable.map((row) => dayOf(row.timeMs)))) {
      const ids = ofTable.filter((row) => dayOf(row.timeMs) === day).map((row) => row.eventId);
      const column = TIME_COLUMNS[table];
      const { rows: found } = await client.query<{ event_id: string }>(
        `select event_id from ${schema}.${table} where ${column} >= $1 and ${column} < $2 and event_id = any($3)`,
        [new Date((day - 1) * DAY_MS), new Date(day * DAY_MS), ids],
      );
      for (const { event_id: eventId } of found) known.add(keyOf({ table, eventId }, day - 1));
    }
  }
  return known;
}

function keyOf({ table, eventId }: Pick<Row, 'table' | 'eventId'>, day: number): string {
  return `${table} ${day} ${eventId}`;
}

async function copyRows(
  client: PoolClient,
  rows: readonly Row[],
  target: (table: EventTable) => string,
): Promise<void> {
  for (const table of EVENT_TABLES) {
    const lines = rows.filter((row) => row.table === table).map((row) => row.line);
    if (lines.length === 0) continue;
    const statement = `copy ${target(table)} (${COPY_COLUMNS[table]}) from stdin`;
    await pipeline(Readable.from(inChunks(lines)), client.query(copyFrom(statement)));
  }
}

/** A chunk a write instead of a line a write: each write costs a protocol message. */
function* inChunks(lines: readonly string[]): Generator<Buffer> {
  let chunk = '';
  for (const line of lines) {
    chunk += line;
    if (chunk.length >= CHUNK_CHARACTERS) {
      yield Buffer.from(chunk);
      chunk = '';
    }
  }
  if (chunk !== '') yield Buffer.from(chunk);
}

/** Inserts through staging tables and returns the rows that were not there yet. */
async function keepInserted(client: PoolClient, rows: readonly Row[], schema: TableSchema): Promise<readonly Row[]> {
  const tables = EVENT_TABLES.filter((table) => rows.some((row) => row.table === table));
  for (const table of tables) {
    await client.query(
      `create temporary table staging_${table} on commit drop as select ${COPY_COLUMNS[table]} from ${schema}.${table} with no data`,
    );
  }
  await copyRows(client, rows, (table) => `staging_${table}`);
  const inserted = new Set<number>();
  for (const table of tables) {
    const columns = COPY_COLUMNS[table];
    const { rows: found } = await client.query<{ stream_seq: string }>(
      `insert into ${schema}.${table} (${columns}) select ${columns} from staging_${table} order by stream_seq
       on conflict do nothing returning stream_seq`,
    );
    for (const row of found) inserted.add(Number(row.stream_seq));
  }
  return rows.filter((row) => inserted.has(row.sequence));
}
