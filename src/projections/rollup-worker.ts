import type { Pool } from 'pg';
import { isCatchingUp } from '../store/checkpoints.js';
import type { Lease } from '../store/lease.js';
import { DAY_S, FIVE_MINUTES_S, MINUTE_S } from '../store/summary-schema.js';
import type { Logger } from '../telemetry/logger.js';
import { addUpRollups } from './add-up-rollups.js';
import { keepLeading, pause } from './keep-leading.js';
import { dropOldRollups, findDueRollups, rollUp } from './roll-up.js';

export interface RollupWorkerDependencies {
  readonly pool: Pool;
  readonly databaseUrl: string;
  readonly retentionDays: number;
  readonly logger: Logger;
}

const LOOK_MS = 5_000;
/** While the projector catches up it is left the processors, but no longer than this. */
const MAX_WAIT_MS = 300_000;
const CATCHING_UP_LOOK_MS = 1_000;
const RETRY_MS = 5_000;
const DROP_INTERVAL_MS = 600_000;
/** An hour of minutes, halved so often, is one minute. */
const MIN_SHARE = 1 / 64;

/**
 * Keeps the rollups up to date, by the side of the projector: what is not rolled up yet, queries count in the tables.
 * Nothing but speed depends on it.
 */
export class RollupWorker {
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #failing = false;
  /** How much of what may be rolled up together is: less after a failure, since it may have taken too long, until all is. */
  #share = 1;
  #droppedAtMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly dependencies: RollupWorkerDependencies) {}

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    await keepLeading({
      databaseUrl: this.dependencies.databaseUrl,
      name: 'rollups',
      signal: this.#stopping.signal,
      work: (lease) => this.#lead(lease),
      standbyMs: LOOK_MS,
      onFailure: (reason) => {
        if (!this.#failing) this.dependencies.logger.warn({ reason }, 'The rollups wait');
        this.#failing = true;
      },
      retryMs: RETRY_MS,
    });
  }

  async #lead(lease: Lease): Promise<void> {
    const { pool, retentionDays } = this.dependencies;
    const signal = AbortSignal.any([this.#stopping.signal, lease.signal]);
    let caughtUpAtMs = performance.now();
    while (!signal.aborted) {
      if (!(await isCatchingUp(pool))) caughtUpAtMs = performance.now();
      else if (performance.now() - caughtUpAtMs < MAX_WAIT_MS) {
        await pause(CATCHING_UP_LOOK_MS, signal);
        continue;
      }
      const didWork = await this.#rollUp(signal);
      if (performance.now() - this.#droppedAtMs > DROP_INTERVAL_MS) {
        await dropOldRollups(pool, retentionDays);
        this.#droppedAtMs = performance.now();
      }
      this.#failing = false;
      if (!didWork) await pause(LOOK_MS, signal);
    }
  }

  async #rollUp(signal: AbortSignal): Promise<boolean> {
    try {
      const didWork = await this.#rollUpNext(signal);
      if (!didWork) this.#share = 1;
      return didWork;
    } catch (error) {
      this.#share = Math.max(MIN_SHARE, this.#share / 2);
      throw error;
    }
  }

  /** Minutes and what is made of them first: they are what the dashboards of a day read. */
  async #rollUpNext(signal: AbortSignal): Promise<boolean> {
    const { pool } = this.dependencies;
    const due = await findDueRollups(pool, this.#share);
    if (due?.seconds !== MINUTE_S && (await addUpRollups(pool, FIVE_MINUTES_S, signal, this.#share))) return true;
    if (due === undefined) return await addUpRollups(pool, DAY_S, signal, this.#share);
    await rollUp(pool, due, signal);
    return true;
  }
}
