import type { Pool } from 'pg';
import { beginEpoch, readCheckpoint, SESSIONS_PROJECTION, TABLES_PROJECTION } from '../store/checkpoints.js';
import type { Lease } from '../store/lease.js';
import { overtake } from '../store/overtake.js';
import type { Logger } from '../telemetry/logger.js';
import type { ServiceMetrics } from '../telemetry/service-metrics.js';
import { dropExpiredSessions, type FoldStep, foldSessions } from './fold-sessions.js';
import { keepLeading, pause } from './keep-leading.js';

export interface SessionWorkerDependencies {
  readonly pool: Pool;
  readonly databaseUrl: string;
  readonly retentionDays: number;
  readonly holder: string;
  readonly logger: Logger;
  readonly metrics: ServiceMetrics;
  readonly now: () => number;
}

export type SessionState =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'standby' }
  | { readonly kind: 'running'; readonly sequence: number }
  /** The sessions are folded anew, from the first event of the tables. */
  | { readonly kind: 'rebuilding' }
  | { readonly kind: 'retrying'; readonly reason: string };

/** Looking seldom makes few and large steps, which cost the projector less than many small ones. */
const POLL_MS = 250;
const STANDBY_POLL_MS = 500;
const RETRY_MS = 1_000;
const CLEAN_INTERVAL_MS = 600_000;

/**
 * Keeps the sessions folded: reads the user events that the projector has committed, in the order of the log, and takes
 * them into `sessions` and `session_counts`. Its own checkpoint, fenced by an epoch, moves with what it writes.
 *
 * States: standby (another process has the lease) → running ⇄ rebuilding → retrying (Postgres is away: the lease is
 * given back) → running or standby.
 */
export class SessionWorker {
  readonly #stopping = new AbortController();
  #state: SessionState = { kind: 'stopped' };
  #running: Promise<void> | undefined;
  #cleanedAtMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly dependencies: SessionWorkerDependencies) {}

  get state(): SessionState {
    return this.#state;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Finishes the step that goes on and gives the lease back. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#state = { kind: 'stopped' };
  }

  async #run(): Promise<void> {
    const { databaseUrl, logger, metrics } = this.dependencies;
    await keepLeading({
      databaseUrl,
      name: 'sessions',
      signal: this.#stopping.signal,
      work: (lease) => this.#lead(lease),
      onStandby: () => {
        this.#state = { kind: 'standby' };
      },
      standbyMs: STANDBY_POLL_MS,
      onFailure: (reason) => {
        if (this.#state.kind !== 'retrying') logger.warn({ reason }, 'The sessions wait');
        metrics.projectionFailures.inc({ projection: SESSIONS_PROJECTION, reason: 'reign_ended' });
        this.#state = { kind: 'retrying', reason };
      },
      retryMs: RETRY_MS,
    });
  }

  /** Works for as long as this process has the lease. */
  async #lead(lease: Lease): Promise<void> {
    const { pool, holder } = this.dependencies;
    const signal = AbortSignal.any([this.#stopping.signal, lease.signal]);
    const stream = (await readCheckpoint(pool, TABLES_PROJECTION))?.streamCreatedAt ?? '';
    const { epoch } = await overtake(pool, (client) => beginEpoch(client, SESSIONS_PROJECTION, holder, stream));
    while (!signal.aborted) {
      const startMs = performance.now();
      const step = await foldSessions(pool, epoch);
      if (step.kind === 'fenced') throw new Error('The checkpoint was moved by another process');
      this.#note(step);
      await this.#clean();
      // However much there is to do, half of the time is left to the projector.
      await pause(step.kind === 'idle' ? POLL_MS : Math.min(POLL_MS, performance.now() - startMs), signal);
    }
    if (!this.#stopping.signal.aborted) throw new Error('The lease was lost');
  }

  #note(step: Exclude<FoldStep, { kind: 'fenced' }>): void {
    const { logger } = this.dependencies;
    if (step.kind === 'begun_anew') logger.warn('The tables were made anew: the sessions are folded again');
    this.#state = step.whole ? { kind: 'running', sequence: step.sequence } : { kind: 'rebuilding' };
  }

  async #clean(): Promise<void> {
    const nowMs = this.dependencies.now();
    if (nowMs - this.#cleanedAtMs < CLEAN_INTERVAL_MS) return;
    const { pool, retentionDays } = this.dependencies;
    if (!(await dropExpiredSessions(pool, nowMs, retentionDays))) this.#cleanedAtMs = nowMs;
  }
}
