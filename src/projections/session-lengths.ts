import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Pool, PoolClient } from 'pg';
import { inTransaction } from '../store/postgres.js';
import {
  parseSessionLengths,
  readSessionLengths,
  SESSION_LENGTHS_KEY,
  type SessionLengths,
  type SessionLengthsView,
} from '../store/session-lengths.js';
import { type SummaryWindow, windowBounds } from '../store/summary-windows.js';
import type { Logger } from '../telemetry/logger.js';

export interface SessionLengthsDependencies {
  readonly pool: Pool;
  readonly redis: Redis;
  readonly intervalSeconds: number;
  readonly logger: Logger;
  readonly now: () => number;
}

/** How often the age of what Redis holds is looked at: an emptied Redis is filled again in this time. */
const LOOK_MS = 2_000;
const RETRY_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 60_000;
/** Where nobody computes any more, queries count for themselves after so many intervals. */
const KEPT_INTERVALS = 3;

/**
 * Computes the lengths of sessions once an aggregation interval and keeps them in Redis.
 *
 * It needs no lease: every process looks at the age of what is there and computes only what is older than an interval.
 * Two that do so at the same moment write the same.
 */
export class SessionLengthsWorker {
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(private readonly dependencies: SessionLengthsDependencies) {}

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    let failing = false;
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#computeWhenDue();
        failing = false;
        await this.#pause(LOOK_MS);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        if (!failing) this.dependencies.logger.warn({ reason }, 'The lengths of sessions wait');
        failing = true;
        await this.#pause(RETRY_MS);
      }
    }
  }

  async #computeWhenDue(): Promise<void> {
    const { redis, now, intervalSeconds } = this.dependencies;
    const view = parseSessionLengths(await redis.get(SESSION_LENGTHS_KEY));
    const ageMs = view === undefined ? Number.POSITIVE_INFINITY : now() - view.computedAtMs;
    // A time ahead was written by a clock that has been set back since.
    if (ageMs >= 0 && ageMs < intervalSeconds * 1000) return;
    const computed = await this.#compute(now());
    if (this.#stopping.signal.aborted) return;
    await redis.set(SESSION_LENGTHS_KEY, JSON.stringify(computed), 'EX', intervalSeconds * KEPT_INTERVALS);
  }

  async #compute(nowMs: number): Promise<SessionLengthsView> {
    const begin = `begin isolation level repeatable read read only; set local statement_timeout = ${STATEMENT_TIMEOUT_MS}`;
    return await inTransaction(
      this.dependencies.pool,
      async (client) => {
        const stopWatching = await this.#cancelWhenStopped(client);
        const lengths = (window: SummaryWindow): Promise<SessionLengths> =>
          readSessionLengths(client, windowBounds(window, nowMs).fromS * 1000, null);
        try {
          const windows = {
            '1h': await lengths('1h'),
            '24h': await lengths('24h'),
            '7d': await lengths('7d'),
            '30d': await lengths('30d'),
          };
          return { computedAtMs: nowMs, windows };
        } finally {
          stopWatching();
        }
      },
      begin,
    );
  }

  /** A count over weeks must not hold up the end of the process. @returns ends the watch, before the session is used again */
  async #cancelWhenStopped(client: PoolClient): Promise<() => void> {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    const cancel = (): void => {
      this.dependencies.pool.query('select pg_cancel_backend($1)', [rows[0]?.pid]).catch(() => undefined);
    };
    this.#stopping.signal.addEventListener('abort', cancel, { once: true });
    return () => this.#stopping.signal.removeEventListener('abort', cancel);
  }

  async #pause(milliseconds: number): Promise<void> {
    // Aborting ends the wait early; the loop looks at the signal itself.
    await sleep(milliseconds, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
  }
}
