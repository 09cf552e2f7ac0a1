import type { Pool } from 'pg';
import {
  EVENT_TABLES,
  firstKeptDay,
  isoDate,
  LIVE_SCHEMA,
  listPartitions,
  PREVIOUS_SCHEMA,
  type TableSchema,
} from '../store/partitions.js';
import type { Logger } from '../telemetry/logger.js';
import { type DropOutcome, dropDay, dropPreviousDay } from './drop-day.js';
import { keepLeading, pause } from './keep-leading.js';

export interface RetentionWorkerDependencies {
  readonly pool: Pool;
  readonly databaseUrl: string;
  readonly retentionDays: number;
  readonly logger: Logger;
  readonly now: () => number;
}

const LOOK_INTERVAL_MS = 3_600_000;
/** A day that somebody reads is tried again soon: dashboards take seconds, not hours. */
const BUSY_RETRY_MS = 10_000;
const STANDBY_POLL_MS = 10_000;
const RETRY_MS = 5_000;
/** Where days are looked for: those that are read, and those that `rebuild --keep` has left for a rollback. */
const DROPS: readonly {
  readonly schema: TableSchema;
  readonly drop: (pool: Pool, day: number) => Promise<DropOutcome>;
}[] = [
  { schema: LIVE_SCHEMA, drop: dropDay },
  { schema: PREVIOUS_SCHEMA, drop: dropPreviousDay },
];

/**
 * Drops the days that are wholly past the retention, at start and every hour. The log keeps events for longer than the
 * tables do (`wantedStreams`), so a day that is kept can be folded again; what is folded of the tables drops its own.
 */
export class RetentionWorker {
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(private readonly dependencies: RetentionWorkerDependencies) {}

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { databaseUrl, logger } = this.dependencies;
    const { signal } = this.#stopping;
    await keepLeading({
      databaseUrl,
      name: 'retention',
      signal,
      work: async (lease) => {
        const ended = AbortSignal.any([signal, lease.signal]);
        while (!ended.aborted) await pause((await this.#drop(ended)) ? LOOK_INTERVAL_MS : BUSY_RETRY_MS, ended);
      },
      standbyMs: STANDBY_POLL_MS,
      onFailure: (reason) => logger.warn({ reason }, 'The days past the retention wait to be dropped'),
      retryMs: RETRY_MS,
    });
  }

  /** @returns false where somebody was reading one of the days */
  async #drop(signal: AbortSignal): Promise<boolean> {
    const { pool, retentionDays, now, logger } = this.dependencies;
    const firstKept = firstKeptDay(now(), retentionDays);
    let isDone = true;
    for (const { schema, drop } of DROPS) {
      for (const day of await expiredDays(pool, firstKept, schema)) {
        if (signal.aborted) return false;
        const outcome = await drop(pool, day);
        if (outcome === 'busy') isDone = false;
        if (outcome === 'dropped') logger.info({ day: isoDate(day), schema }, 'Dropped a day past the retention');
      }
    }
    return isDone;
  }
}

/** Days before `firstKept` that a table has a partition of, the oldest first. */
async function expiredDays(pool: Pool, firstKept: number, schema: TableSchema): Promise<number[]> {
  const days = new Set<number>();
  for (const table of EVENT_TABLES) {
    for (const { day } of await listPartitions(pool, table, schema)) if (day < firstKept) days.add(day);
  }
  return [...days].sort((a, b) => a - b);
}
