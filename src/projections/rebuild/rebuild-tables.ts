import type { Pool } from 'pg';
import type { CodecOptions } from '../../events/codec.js';
import {
  type Checkpoint,
  REBUILD_PROJECTION,
  readCheckpoint,
  renewEpoch,
  TABLES_PROJECTION,
} from '../../store/checkpoints.js';
import { lead } from '../../store/lease.js';
import type { EventTable } from '../../store/partitions.js';
import type { ConnectionWatch, JetStreamManager, NatsConnection } from '../../stream/connection.js';
import { EVENTS_STREAM, findStream } from '../../stream/streams.js';
import { checkLog } from '../check-log.js';
import { pause } from '../keep-leading.js';
import type { DayComparison } from './compare-days.js';
import { giveBackPrevious, takeBackPrevious } from './previous-tables.js';
import { type RebuildState, type RebuildWishes, readRebuildState } from './rebuild-state.js';
import { type PhaseProgress, replaceTables } from './replace-tables.js';
import { settle } from './settle.js';
import { RebuildFenced } from './shadow-fold.js';
import { createShadow, dropShadow } from './shadow-tables.js';

const MAX_LOSSES = 5;
const LOSS_PAUSE_MS = 1_000;

export interface RebuildDependencies {
  readonly pool: Pool;
  readonly databaseUrl: string;
  readonly connection: NatsConnection;
  readonly watch: ConnectionWatch;
  readonly manager: JetStreamManager;
  readonly codec: CodecOptions;
  readonly holder: string;
  /** Time that is left to others, as a multiple of the time in which it works; 0 is at full speed. */
  readonly niceRatio: number;
  /** Ends it; what is done stays, for `resume`. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: PhaseProgress) => void;
}

export type RebuildRequest =
  | {
      readonly kind: 'begin';
      readonly tables: readonly EventTable[];
      readonly wishes: RebuildWishes;
      readonly force: boolean;
    }
  | { readonly kind: 'rollback'; readonly wishes: RebuildWishes; readonly force: boolean }
  | { readonly kind: 'resume'; readonly force: boolean }
  | { readonly kind: 'abort' };

/** Why nothing was done, or not all. */
export type RebuildRefusal =
  /** One is under way in another process. */
  | 'another_rebuild'
  /** One was interrupted: it is to be resumed or aborted first. */
  | 'rebuild_unfinished'
  | 'nothing_to_resume'
  /** After the swap there is nothing to abort; it is to be resumed. */
  | 'already_swapped'
  | 'nothing_kept'
  /** No event was projected yet. */
  | 'nothing_projected'
  /** The log is not the one that the tables were folded from. */
  | 'different_log'
  /** The live tables have rows that the candidate lacks. It stays, and can be taken by force. */
  | 'would_lose_rows';

/** What a rebuild read, wrote and found. */
export interface RebuildReport {
  readonly origin: 'log' | 'previous';
  readonly tables: readonly EventTable[];
  /** Position of the log up to which the tables were compared. */
  readonly compared_to: number;
  readonly events: number;
  readonly rows: number;
  readonly duplicates: number;
  readonly dead_letters: Readonly<Record<string, number>>;
  readonly days: readonly DayComparison[];
}

export type RebuildOutcome =
  | {
      readonly kind: 'swapped';
      readonly report: RebuildReport;
      readonly sequence: number;
      readonly heldMs: number;
      readonly readersHeldMs: number;
      readonly swapAttempts: number;
      readonly kept: boolean;
      /** The summaries are to be waited for. */
      readonly summaries: boolean;
    }
  | { readonly kind: 'compared'; readonly report: RebuildReport }
  | { readonly kind: 'settled'; readonly kept: boolean; readonly summaries: boolean }
  | { readonly kind: 'aborted' | 'nothing_to_abort' }
  | {
      readonly kind: 'refused';
      readonly reason: RebuildRefusal;
      readonly detail?: string;
      readonly report?: RebuildReport;
    };

/**
 * Rebuilds tables from the log beside the live ones, and swaps. What is done is kept in Postgres, in transactions: whoever
 * comes after an interruption finds it in `readRebuildState`. Only one process does it at a time, and an epoch fences the one
 * before.
 *
 * Nothing is published and nothing is sent; dead letters are counted. Where the session breaks that says who leads, it is gone
 * on with under another one, some times over.
 *
 * @throws TablesBusy, RebuildFenced, the signal's reason, what Postgres or NATS says
 */
export async function rebuildTables(
  dependencies: RebuildDependencies,
  request: RebuildRequest,
): Promise<RebuildOutcome> {
  let wanted = request;
  for (let losses = 0; ; losses += 1) {
    const attempt = await tryRebuild(dependencies, wanted);
    if (attempt.outcome !== undefined) return attempt.outcome;
    if (losses === MAX_LOSSES || dependencies.signal.aborted) throw attempt.error;
    await pause(LOSS_PAUSE_MS, dependencies.signal);
    wanted = await whatIsLeft(dependencies.pool, request);
  }
}

type Attempt =
  | { readonly outcome: RebuildOutcome }
  /** The lease was lost on the way: its session broke. */
  | { readonly outcome: undefined; readonly error: unknown };

async function tryRebuild(dependencies: RebuildDependencies, request: RebuildRequest): Promise<Attempt> {
  let attempt: Attempt = { outcome: { kind: 'refused', reason: 'another_rebuild' } };
  await lead(dependencies.databaseUrl, 'rebuild', async (lease) => {
    const signal = AbortSignal.any([dependencies.signal, lease.signal]);
    try {
      attempt = { outcome: await underLease({ ...dependencies, signal }, request) };
    } catch (error) {
      if (!lease.lost) throw error;
      attempt = { outcome: undefined, error };
    }
  });
  return attempt;
}

/** What there is already is gone on with. */
async function whatIsLeft(pool: Pool, request: RebuildRequest): Promise<RebuildRequest> {
  if (request.kind === 'abort') return request;
  const { candidate, replaced } = await readRebuildState(pool);
  const hasBegun = candidate !== undefined || replaced?.settled === false;
  return hasBegun ? { kind: 'resume', force: request.force } : request;
}

async function underLease(dependencies: RebuildDependencies, request: RebuildRequest): Promise<RebuildOutcome> {
  const { pool, signal } = dependencies;
  const state = await readRebuildState(pool);
  const { candidate, replaced } = state;
  switch (request.kind) {
    case 'abort': {
      if (candidate?.origin === 'previous') await giveBackPrevious(pool, candidate, signal);
      else if (candidate !== undefined) await dropShadow(pool, signal);
      else if (replaced?.settled === false) return refused('already_swapped');
      return { kind: candidate === undefined ? 'nothing_to_abort' : 'aborted' };
    }
    case 'resume': {
      if (candidate !== undefined) return await goOn(dependencies, request.force);
      return await settleSwap(dependencies, state);
    }
    case 'begin':
    case 'rollback': {
      if (candidate !== undefined || replaced?.settled === false) return refused('rebuild_unfinished');
      return await begin(dependencies, request, state);
    }
  }
}

async function settleSwap({ pool, signal }: RebuildDependencies, { replaced }: RebuildState): Promise<RebuildOutcome> {
  if (replaced === undefined || replaced.settled) return refused('nothing_to_resume');
  await settle(pool, replaced, signal);
  return { kind: 'settled', kept: replaced.keep, summaries: replaced.summaries };
}

async function begin(
  dependencies: RebuildDependencies,
  request: Extract<RebuildRequest, { kind: 'begin' | 'rollback' }>,
  { replaced }: RebuildState,
): Promise<RebuildOutcome> {
  const { pool, manager, holder, signal } = dependencies;
  const refusal = await checkLive(dependencies);
  if (refusal !== undefined) return refusal;
  if (request.kind === 'begin') {
    const created = String((await findStream(manager, EVENTS_STREAM))?.created);
    await createShadow(pool, request.tables, request.wishes, holder, created);
  } else {
    if (replaced === undefined) return refused('nothing_kept');
    await takeBackPrevious(pool, replaced, request.wishes, holder, signal);
  }
  return await goOn(dependencies, request.force);
}

/** The live tables must be a fold of this log, or positions could not be compared. */
async function checkLive(dependencies: RebuildDependencies): Promise<RebuildOutcome | undefined> {
  const live = await readCheckpoint(dependencies.pool, TABLES_PROJECTION);
  if (live === undefined || live.sequence === 0) return refused('nothing_projected');
  return await checkSameLog(dependencies, live);
}

async function checkSameLog(
  { manager, codec, pool }: RebuildDependencies,
  checkpoint: Checkpoint,
): Promise<RebuildOutcome | undefined> {
  const stream = await findStream(manager, EVENTS_STREAM);
  if (stream === undefined) return refused('different_log', `${EVENTS_STREAM} does not exist`);
  const verdict = await checkLog(manager, stream, checkpoint, codec, pool);
  return verdict.kind === 'different_log' ? refused('different_log', verdict.reason) : undefined;
}

/** From where the candidate is to the end. */
async function goOn(dependencies: RebuildDependencies, force: boolean): Promise<RebuildOutcome> {
  const { pool, holder } = dependencies;
  const checkpoint = await renewEpoch(pool, REBUILD_PROJECTION, holder);
  // Behind the new epoch: the swap of a process that was taken for dead may have been on its way.
  const state = await readRebuildState(pool);
  const { candidate } = state;
  if (checkpoint === undefined || candidate === undefined) return await settleSwap(dependencies, state);
  if (candidate.checkpoint.epoch !== checkpoint.epoch) throw new RebuildFenced();
  const refusal = (await checkLive(dependencies)) ?? (await checkSameLog(dependencies, checkpoint));
  return refusal ?? (await replaceTables(dependencies, candidate, force));
}

function refused(reason: RebuildRefusal, detail?: string): RebuildOutcome {
  return detail === undefined ? { kind: 'refused', reason } : { kind: 'refused', reason, detail };
}
