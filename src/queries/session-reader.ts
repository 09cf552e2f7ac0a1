import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import {
  parseSessionLengths,
  readSessionLengths,
  SESSION_LENGTHS_KEY,
  type SessionLengths,
  type SessionLengthsView,
} from '../store/session-lengths.js';
import type { CountsSource } from './aggregates.js';
import { AnswerCache } from './answer-cache.js';
import { readOnly } from './read-only.js';
import { QueryUnavailable, unavailable, within } from './unavailable.js';
import { type SummaryWindow, windowBounds } from './windows.js';

/** The first query of an interval waits no longer; the count goes on for those that come after. */
const WAIT_MS = 2_000;

/**
 * How long sessions last. It is computed once an aggregation interval by src/projections/session-lengths.ts and kept
 * in Redis; where it is not there, it is computed here, once an interval as well.
 */
export class SessionReader {
  readonly #computed = new AnswerCache<SessionLengths>();

  constructor(
    private readonly redis: Redis,
    private readonly pool: Pool,
    private readonly intervalSeconds: number,
  ) {}

  /**
   * @param source where the other numbers of the answer come from: Redis is not asked twice for what it does not have
   * @returns null where they cannot be counted in time
   */
  async lengths(window: SummaryWindow, source: CountsSource['name'], nowMs: number): Promise<SessionLengths | null> {
    const view = source === 'redis' ? await this.#fromRedis() : undefined;
    if (view !== undefined) return view.windows[window];
    const interval = Math.floor(nowMs / 1000 / this.intervalSeconds);
    const counted = this.#computed.get(window, String(interval), () => this.#count(window, nowMs));
    try {
      return await within(WAIT_MS, counted, () => new QueryUnavailable('Sessions are still being counted'));
    } catch (error) {
      if (error instanceof QueryUnavailable) return null;
      throw error;
    }
  }

  async #count(window: SummaryWindow, nowMs: number): Promise<SessionLengths> {
    const fromMs = windowBounds(window, nowMs).fromS * 1000;
    try {
      return await readOnly(this.pool, (client) => readSessionLengths(client, fromMs, null));
    } catch (error) {
      throw unavailable(error);
    }
  }

  async #fromRedis(): Promise<SessionLengthsView | undefined> {
    try {
      return parseSessionLengths(await this.redis.get(SESSION_LENGTHS_KEY));
    } catch {
      // Redis went away since the answer's counts were read; the database is asked instead.
      return undefined;
    }
  }
}
