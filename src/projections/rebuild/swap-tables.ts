import type { Pool, PoolClient } from 'pg';
import {
  type Checkpoint,
  lockCheckpoint,
  nextGeneration,
  nextGenerationOfSummaries,
  REBUILD_PROJECTION,
  TABLES_PROJECTION,
} from '../../store/checkpoints.js';
import { LOCK_NAMESPACE, LOCKS } from '../../store/locks.js';
import { LIVE_SCHEMA, PREVIOUS_SCHEMA, SHADOW_SCHEMA } from '../../store/partitions.js';
import { inTransaction } from '../../store/postgres.js';
import { FeedBroken } from '../../stream/log-feed.js';
import { markRollups } from '../mark-rollups.js';
import { type DayComparison, differingDays } from './compare-days.js';
import { isBusy, LOCK_TIMEOUT_MS } from './patience.js';
import { noteReplaced } from './previous-tables.js';
import { type Candidate, WISHES_TABLE } from './rebuild-state.js';
import { RebuildFenced, type ShadowFold } from './shadow-fold.js';
import { droppedDays, missingDays } from './shadow-tables.js';

export type SwapOutcome =
  | {
      readonly kind: 'swapped';
      /** Position of the log that both the live and the new tables had. */
      readonly sequence: number;
      /** How long the projector was held. */
      readonly heldMs: number;
      /** How long readers of the tables may have waited. */
      readonly readersHeldMs: number;
    }
  /** Nothing was changed; it is to be tried again. */
  | { readonly kind: 'put_off'; readonly reason: 'busy' | 'behind' | 'missing_days' | 'dropped_days' };

type PutOff = Extract<SwapOutcome, { kind: 'put_off' }>['reason'];

/** Raised inside the transaction to roll it back. */
class SwapPutOff extends Error {
  constructor(readonly reason: PutOff) {
    super(reason);
  }
}

/** The projector's transaction is waited for as long; nobody else waits meanwhile. */
const PROJECTOR_TIMEOUT_MS = 3_000;
/** What was committed just now should be delivered by then. */
const DELIVERY_TIMEOUT_MS = 200;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/**
 * Puts the candidate's tables into the place of the live ones, in one transaction: the projector is held at its first
 * statement, what the candidate lacks is folded, and the parents change their schema. Partitions stay where they are, so it
 * takes the same time however many days there are. A reader that waited looks the name up again, and finds the new table.
 *
 * @param days what was compared: where it differs, all that was made of the old rows is forgotten
 * @throws RebuildFenced, what Postgres says
 */
export async function swapTables(
  pool: Pool,
  candidate: Candidate,
  fold: ShadowFold,
  days: readonly DayComparison[],
): Promise<SwapOutcome> {
  const timing = { heldFromMs: 0, readersFromMs: 0 };
  try {
    const { sequence, kept } = await inTransaction(pool, async (client) => {
      await client.query(`set local lock_timeout = ${PROJECTOR_TIMEOUT_MS}`);
      await client.query('select pg_advisory_xact_lock($1, $2)', [LOCK_NAMESPACE, LOCKS.partitions]);
      timing.heldFromMs = performance.now();
      const live = await lockCheckpoint(client, TABLES_PROJECTION);
      const limit = live?.sequence ?? 0;
      const kept = await fold.finish(client, limit, DELIVERY_TIMEOUT_MS);
      if (kept === undefined) throw new SwapPutOff('behind');
      const differing = differingDays(days);
      if (live !== undefined) await markDays(client, differing, live);
      timing.readersFromMs = performance.now();
      await lockTables(client, candidate);
      await checkDays(client, candidate);
      if (differing.length > 0) await forgetRollups(client, differing);
      await changeGeneration(client, candidate, differing);
      await exchange(client, candidate, live, fold.position.epoch);
      return { sequence: limit, kept };
    });
    const nowMs = performance.now();
    kept();
    return {
      kind: 'swapped',
      sequence,
      heldMs: nowMs - timing.heldFromMs,
      readersHeldMs: nowMs - timing.readersFromMs,
    };
  } catch (error) {
    if (error instanceof SwapPutOff) return { kind: 'put_off', reason: error.reason };
    if (error instanceof FeedBroken) return { kind: 'put_off', reason: 'behind' };
    if (isBusy(error)) return { kind: 'put_off', reason: 'busy' };
    throw error;
  }
}

/** One by one: who waits for the first may wait for all of them together, which is below a second. */
async function lockTables(client: PoolClient, { tables }: Candidate): Promise<void> {
  await client.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
  for (const table of tables) {
    await client.query(`lock table only ${LIVE_SCHEMA}.${table} in access exclusive mode`);
  }
}

/** Behind the locks no day comes or goes any more. */
async function checkDays(client: PoolClient, { tables }: Candidate): Promise<void> {
  for (const table of tables) {
    if ((await missingDays(client, table)).length > 0) throw new SwapPutOff('missing_days');
  }
  if ((await droppedDays(client, tables)).length > 0) throw new SwapPutOff('dropped_days');
}

/** So that rollups of these days are made anew. */
async function markDays(client: PoolClient, days: readonly DayComparison[], live: Checkpoint): Promise<void> {
  await markRollups(client, minutesOf(days), live.sequence, live.lastStoredAtMs);
}

function* minutesOf(days: readonly DayComparison[]): Generator<number> {
  for (const day of new Set(days.map((each) => each.day))) {
    const startMs = Date.parse(day);
    for (let timeMs = startMs; timeMs < startMs + DAY_MS; timeMs += MINUTE_MS) yield timeMs;
  }
}

/**
 * A rollup of this very position was counted in the old rows, and would pass for up to date. None is being made: who makes
 * one keeps the tables from being replaced.
 */
async function forgetRollups(client: PoolClient, days: readonly DayComparison[]): Promise<void> {
  await client.query(
    `delete from rollups
     using unnest($1::timestamptz[]) as touched (day)
     where starts_at >= day and starts_at < day + interval '1 day'`,
    [[...new Set(days.map(({ day }) => day))].map((day) => new Date(`${day}T00:00:00Z`))],
  );
}

async function changeGeneration(
  client: PoolClient,
  { summaries }: Candidate,
  differing: readonly DayComparison[],
): Promise<void> {
  if (differing.some(({ table }) => table === 'user_events')) await nextGeneration(client);
  else if (differing.length > 0 || summaries) await nextGenerationOfSummaries(client);
}

async function exchange(
  client: PoolClient,
  { tables, keep, summaries }: Candidate,
  live: Checkpoint | undefined,
  epoch: number,
): Promise<void> {
  await client.query(`create schema if not exists ${PREVIOUS_SCHEMA}`);
  await noteReplaced(client, { keep, summaries, settled: false }, live);
  for (const table of tables) {
    await client.query(`alter table ${LIVE_SCHEMA}.${table} set schema ${PREVIOUS_SCHEMA}`);
    await client.query(`alter table ${SHADOW_SCHEMA}.${table} set schema ${LIVE_SCHEMA}`);
  }
  await client.query(`drop table ${WISHES_TABLE}`);
  const { rowCount } = await client.query('delete from projection_checkpoints where name = $1 and epoch = $2', [
    REBUILD_PROJECTION,
    epoch,
  ]);
  if (rowCount !== 1) throw new RebuildFenced();
}
