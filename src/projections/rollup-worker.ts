import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { type Lease, lead } from '../store/lease.js';
import type { Logger } from '../telemetry/logger.js';
import { dropOldRollups, findDueRollups, rollUp } from './roll-up.js';
import { rollUpDays } from './roll-up-days.js';

export interface RollupWorkerDependencies {
  readonly pool: Pool;
  readonly databaseUrl: string;
  readonly retentionDays: number;
  readonly logger: Logger;
}

const LOOK_MS = 5_000;
const RETRY_MS = 5_000;
const DROP_INTERVAL_MS = 600_000;

/**
 * Keeps the rollups up to date, by the side of the projector: what is not rolled up yet, queries count in the tables.
 * Nothing but speed depends on it.
 */
export class RollupWorker {
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #failing = false;
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
    while (!this.#stopping.signal.aborted) {
      try {
        await lead(this.dependencies.databaseUrl, 'rollups', (lease) => this.#lead(lease));
        await this.#pause(LOOK_MS);
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        const reason = error instanceof Error ? error.message : String(error);
        if (!this.#failing) this.dependencies.logger.warn({ reason }, 'The rollups wait');
        this.#failing = true;
        await this.#pause(RETRY_MS);
      }
    }
  }

  async #lead(lease: Lease): Promise<void> {
    const { pool, retentionDays } = this.dependencies;
    while (!this.#stopping.signal.aborted && !lease.lost) {
      const didWork = await this.#rollUp();
      if (performance.now() - this.#droppedAtMs > DROP_INTERVAL_MS) {
        await dropOldRollups(pool, retentionDays);
        this.#droppedAtMs = performance.now();
      }
      this.#failing = false;
      if (!didWork) await this.#pause(LOOK_MS);
    }
  }

  async #rollUp(): Promise<boolean> {
    const { pool } = this.dependencies;
    const { signal } = this.#stopping;
    const due = await findDueRollups(pool);
    if (due === undefined) return await rollUpDays(pool, signal);
    await rollUp(pool, due, signal);
    return true;
  }

  async #pause(milliseconds: number): Promise<void> {
    // Aborting ends the wait early; the loops look at the signal themselves.
    await sleep(milliseconds, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }
}
