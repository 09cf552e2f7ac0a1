import type { Pool, PoolClient } from 'pg';
import { type Checkpoint, moveCheckpoint } from '../store/checkpoints.js';
import { inTransaction } from '../store/postgres.js';
import { insertRows, type WriteMode } from './insert-rows.js';
import { markRollups } from './mark-rollups.js';
import type { Row } from './rows.js';
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
      const inserted = await insertRows(client, batch.rows, mode);
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

function* timesOf(rows: readonly Row[]): Generator<number> {
  for (const { timeMs } of rows) yield timeMs;
}

async function insertSeries(client: PoolClient, series: readonly AdmittedSeries[]): Promise<void> {
  if (series.length === 0) return;
  await client.query(
    `insert into known_series (kind, key, first_sequence)
     select * from unnest($1::text[], $2::text[], $3::bigint[]) on conflict do nothing`,
    [series.map(({ kind }) => kind), series.map(({ key }) => key), series.map(({ sequence }) => sequence)],
  );
}
