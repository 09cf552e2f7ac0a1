import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Pool, PoolClient } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { type Checkpoint, moveCheckpoint } from '../store/checkpoints.js';
import { dayOf, EVENT_TABLES, type EventTable, TIME_COLUMNS } from '../store/partitions.js';
import { inTransaction } from '../store/postgres.js';
import { markRollups } from './mark-rollups.js';
import { COPY_COLUMNS, type Row } from './rows.js';
import type { AdmittedSeries } from './series-registry.js';
import type { SummaryDelta } from './summary-delta.js';

/** A stretch of the log, folded: what one transaction writes. */
export interface Batch {
  readonly rows: readonly Row[];
  /** Position behind the batch. */
  readonly toSequence: number;
  readonly lastEventId: string;
  readonly lastStoredAtMs: number;
  readonly freshSeries: readonly AdmittedSeries[];
  /** The delta of all rows; taken where none of them turns out to be a duplicate. */
  readonly delta: SummaryDelta;
}

/** How the rows go into the tables: straight, or through staging tables that leave out what is there already. */
export type WriteMode = 'copy' | 'staging';

export type WriteOutcome =
  | {
      readonly kind: 'applied';
      readonly inserted: number;
      readonly duplicates: number;
      readonly checkpoint: Checkpoint;
    }
  /** Somebody else moved the checkpoint or began a later epoch. Nothing was written. */
  | { readonly kind: 'fenced' };

/** Raised inside the transaction to roll it back. */
class Fenced extends Error {}

const CHUNK_CHARACTERS = 65_536;
const DAY_MS = 86_400_000;

/**
 * Writes a batch in one transaction: checkpoint, rows, series, marks for the rollups, and the delta for the summaries.
 *
 * @param foldAgain makes the delta of the rows that were really inserted, where some were there already
 * @throws what Postgres says; `classifyFailure` tells what to do then
 */
export async function writeBatch(
  pool: Pool,
  projection: string,
  from: Checkpoint,
  batch: Batch,
  mode: WriteMode,
  foldAgain: (rows: readonly Row[]) => SummaryDelta,
): Promise<WriteOutcome> {
  try {
    return await inTransaction(pool, async (client) => {
      const { toSequence: sequence, lastEventId, lastStoredAtMs } = batch;
      const to = { sequence, lastEventId, lastStoredAtMs };
      // First of all, so that a fenced projector learns it before it writes, and two never wait for each other later.
      if (!(await moveCheckpoint(client, projection, from, to))) throw new Fenced();
      const fresh = await withoutResends(client, batch.rows);
      const inserted = mode === 'copy' ? fresh : await keepInserted(client, fresh);
      if (mode === 'copy') await copyRows(client, fresh, (table) => table);
      await insertSeries(client, batch.freshSeries);
      await markRollups(client, timesOf(inserted), sequence, lastStoredAtMs);
      const delta = inserted.length === batch.rows.length ? batch.delta : foldAgain(inserted);
      await client.query('insert into summary_outbox (from_sequence, to_sequence, delta) values ($1, $2, $3)', [
        from.sequence,
        batch.toSequence,
        JSON.stringify(delta),
      ]);
      const duplicates = batch.rows.length - inserted.length;
      return { kind: 'applied', inserted: inserted.length, duplicates, checkpoint: { ...from, ...to } };
    });
  } catch (error) {
    if (error instanceof Fenced) return { kind: 'fenced' };
    throw error;
  }
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
): Promise<{ readonly row: Row; readonly error: unknown }[]> {
  const error = await tryRows(pool, rows, isRefusal);
  const [first] = rows;
  if (error === undefined || first === undefined) return [];
  if (rows.length === 1) return [{ row: first, error }];
  const middle = Math.floor(rows.length / 2);
  return [
    ...(await findRefusedRows(pool, rows.slice(0, middle), isRefusal)),
    ...(await findRefusedRows(pool, rows.slice(middle), isRefusal)),
  ];
}

/** Raised to roll back a trial that went well. */
class TrialEnded extends Error {}

async function tryRows(pool: Pool, rows: readonly Row[], isRefusal: (error: unknown) => boolean): Promise<unknown> {
  try {
    await inTransaction(pool, async (client) => {
      await keepInserted(client, rows);
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
async function withoutResends(client: PoolClient, rows: readonly Row[]): Promise<readonly Row[]> {
  const suspects = rows.filter((row) => row.timeFromLog);
  if (suspects.length === 0) return rows;
  const known = await findOnDaysBefore(client, suspects);
  return rows.filter((row) => {
    const day = dayOf(row.timeMs);
    if (row.timeFromLog && (known.has(keyOf(row, day - 1)) || known.has(keyOf(row, day)))) return false;
    known.add(keyOf(row, day));
    return true;
  });
}

/** Which of these ids are in the tables on the day before their row's, as `keyOf` names them. */
async function findOnDaysBefore(client: PoolClient, suspects: readonly Row[]): Promise<Set<string>> {
  const known = new Set<string>();
  for (const table of EVENT_TABLES) {
    const ofTable = suspects.filter((row) => row.table === table);
    for (const day of new Set(ofTable.map((row) => dayOf(row.timeMs)))) {
      const ids = ofTable.filter((row) => dayOf(row.timeMs) === day).map((row) => row.eventId);
      const column = TIME_COLUMNS[table];
      const { rows: found } = await client.query<{ event_id: string }>(
        `select event_id from ${table} where ${column} >= $1 and ${column} < $2 and event_id = any($3)`,
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

function* timesOf(rows: readonly Row[]): Generator<number> {
  for (const { timeMs } of rows) yield timeMs;
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
async function keepInserted(client: PoolClient, rows: readonly Row[]): Promise<readonly Row[]> {
  for (const table of EVENT_TABLES) {
    await client.query(
      `create temporary table staging_${table} on commit drop as select ${COPY_COLUMNS[table]} from ${table} with no data`,
    );
  }
  await copyRows(client, rows, (table) => `staging_${table}`);
  const inserted = new Set<number>();
  for (const table of EVENT_TABLES) {
    const columns = COPY_COLUMNS[table];
    const { rows: found } = await client.query<{ stream_seq: string }>(
      `insert into ${table} (${columns}) select ${columns} from staging_${table} order by stream_seq
       on conflict do nothing returning stream_seq`,
    );
    for (const row of found) inserted.add(Number(row.stream_seq));
  }
  return rows.filter((row) => inserted.has(row.sequence));
}

async function insertSeries(client: PoolClient, series: readonly AdmittedSeries[]): Promise<void> {
  if (series.length === 0) return;
  await client.query(
    `insert into known_series (kind, key, first_sequence)
     select * from unnest($1::text[], $2::text[], $3::bigint[]) on conflict do nothing`,
    [series.map(({ kind }) => kind), series.map(({ key }) => key), series.map(({ sequence }) => sequence)],
  );
}
