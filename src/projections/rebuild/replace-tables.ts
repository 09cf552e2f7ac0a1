import { readCheckpoint, TABLES_PROJECTION } from '../../store/checkpoints.js';
import { pause } from '../keep-leading.js';
import { Pace } from '../pace.js';
import { compareDays, type DayComparison, lostRows } from './compare-days.js';
import { PATIENCE_MS, TablesBusy, withPatience } from './patience.js';
import { giveBackPrevious } from './previous-tables.js';
import { type Candidate, readRebuildState } from './rebuild-state.js';
import type { RebuildDependencies, RebuildOutcome, RebuildReport } from './rebuild-tables.js';
import { dropPrevious, settle } from './settle.js';
import { ShadowFold } from './shadow-fold.js';
import { droppedDays, dropShadow, missingDays, vacuumShadow } from './shadow-tables.js';
import { type SwapOutcome, swapTables } from './swap-tables.js';

/** What is going on, and how far it is: events, partitions, or days of tables. */
export interface PhaseProgress {
  readonly phase: 'fold' | 'vacuum' | 'compare' | 'swap';
  readonly done: number;
  readonly total: number;
}

const MIN_SWAP_WAIT_MS = 100;
const MAX_SWAP_WAIT_MS = 2_000;
const IDLE_MS = 50;

/**
 * Takes a candidate to its end: fold, compare, and swap, or not.
 *
 * @param force although rows would be lost
 */
export async function replaceTables(
  dependencies: RebuildDependencies,
  candidate: Candidate,
  force: boolean,
): Promise<RebuildOutcome> {
  const { pool } = dependencies;
  const fold = await ShadowFold.open(dependencies, candidate.tables, candidate.checkpoint);
  try {
    await catchUp(dependencies, fold);
    if (!candidate.dryRun) {
      await vacuumShadow(pool, candidate.tables, paceOf(dependencies), (done, total) =>
        dependencies.onProgress({ phase: 'vacuum', done, total }),
      );
    }
    const days = await compare(dependencies, candidate, fold);
    const report = reportOf(candidate, fold, days.comparedTo, days.compared);
    if (candidate.dryRun) {
      await clearAway(dependencies, candidate);
      return { kind: 'compared', report };
    }
    if (lostRows(days.compared) > 0 && !force) return { kind: 'refused', reason: 'would_lose_rows', report };
    return await swapAndSettle(dependencies, candidate, fold, report);
  } finally {
    await fold.close();
  }
}

function paceOf({ niceRatio, signal }: RebuildDependencies): Pace {
  return new Pace(niceRatio, signal);
}

async function clearAway({ pool, signal }: RebuildDependencies, candidate: Candidate): Promise<void> {
  if (candidate.origin === 'previous') await giveBackPrevious(pool, candidate, signal);
  else await dropShadow(pool, signal);
}

/** Folds up to the live checkpoint, which moves meanwhile. */
async function catchUp(dependencies: RebuildDependencies, fold: ShadowFold): Promise<number> {
  const { pool, signal, onProgress } = dependencies;
  const pace = paceOf(dependencies);
  let lag = Number.POSITIVE_INFINITY;
  for (;;) {
    signal.throwIfAborted();
    const limit = (await readCheckpoint(pool, TABLES_PROJECTION))?.sequence ?? 0;
    const startMs = performance.now();
    const before = fold.caughtUpTo;
    const isThere = await fold.step(limit);
    const { events } = fold.counts;
    const lagBefore = lag;
    lag = Math.max(0, limit - fold.caughtUpTo);
    onProgress({ phase: 'fold', done: events, total: events + lag });
    if (isThere) return limit;
    if (fold.caughtUpTo === before) await pause(IDLE_MS, signal);
    // Where the log grows as fast as it is folded, the end would never come.
    else if (lag < lagBefore) await pace.rest(performance.now() - startMs);
  }
}

async function compare(
  dependencies: RebuildDependencies,
  candidate: Candidate,
  fold: ShadowFold,
): Promise<{ readonly comparedTo: number; readonly compared: readonly DayComparison[] }> {
  const { pool, onProgress } = dependencies;
  await dropDroppedDays(dependencies, candidate);
  const comparedTo = await catchUp(dependencies, fold);
  const compared = await compareDays(pool, candidate.tables, comparedTo, paceOf(dependencies), (done, total) =>
    onProgress({ phase: 'compare', done, total }),
  );
  return { comparedTo, compared };
}

async function dropDroppedDays({ pool, signal }: RebuildDependencies, { tables }: Candidate): Promise<void> {
  for (const name of await droppedDays(pool, tables)) {
    await withPatience(pool, signal, (client) => client.query(`drop table if exists ${name}`));
  }
}

async function swapAndSettle(
  dependencies: RebuildDependencies,
  candidate: Candidate,
  fold: ShadowFold,
  report: RebuildReport,
): Promise<RebuildOutcome> {
  const { pool, signal } = dependencies;
  // Those that an earlier rebuild has kept make room.
  if ((await readRebuildState(pool)).replaced !== undefined) await dropPrevious(pool, signal);
  const { swap, attempts } = await swapWhenPossible(dependencies, candidate, fold, report.days);
  const { replaced } = await readRebuildState(pool);
  if (replaced === undefined) throw new Error('The swap was committed and cannot be found');
  await settle(pool, replaced, signal);
  const { sequence, heldMs, readersHeldMs } = swap;
  const { events, rows, duplicates } = fold.counts;
  return {
    kind: 'swapped',
    report: { ...report, events, rows, duplicates },
    sequence,
    heldMs,
    readersHeldMs,
    swapAttempts: attempts,
    kept: candidate.keep,
    summaries: candidate.summaries,
  };
}

async function swapWhenPossible(
  dependencies: RebuildDependencies,
  candidate: Candidate,
  fold: ShadowFold,
  days: readonly DayComparison[],
): Promise<{ readonly swap: Extract<SwapOutcome, { kind: 'swapped' }>; readonly attempts: number }> {
  const { pool, signal, onProgress } = dependencies;
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (let attempts = 1; ; attempts += 1) {
    signal.throwIfAborted();
    for (const table of candidate.tables) await fold.ensureDays(await missingDays(pool, table));
    await dropDroppedDays(dependencies, candidate);
    await catchUp(dependencies, fold);
    onProgress({ phase: 'swap', done: 0, total: 1 });
    const swap = await swapTables(pool, candidate, fold, days);
    if (swap.kind === 'swapped') return { swap, attempts };
    if (performance.now() > deadlineMs) throw new TablesBusy();
    // What was behind, or missing, is there at once; who reads the tables needs a while.
    const waitMs = Math.min(MIN_SWAP_WAIT_MS * 2 ** Math.min(attempts, 10), MAX_SWAP_WAIT_MS);
    if (swap.reason === 'busy') await pause(waitMs, signal);
  }
}

function reportOf(
  { origin, tables }: Candidate,
  { counts }: ShadowFold,
  comparedTo: number,
  days: readonly DayComparison[],
): RebuildReport {
  const { events, rows, duplicates, letters } = counts;
  return {
    origin,
    tables,
    compared_to: comparedTo,
    events,
    rows,
    duplicates,
    dead_letters: Object.fromEntries(letters),
    days,
  };
}
