import type { Pool } from 'pg';
import { readSessionLengths, type SessionLengths } from '../store/session-lengths.js';
import { QueryUnavailable, within } from './unavailable.js';
import { type SummaryWindow, windowBounds } from './windows.js';

/** A copy that is older is renewed beside the query that finds it so. */
const RENEW_MS = 500;
/** A copy that is older is not handed out while Postgres answers: the query waits for a new one. */
const MAX_AGE_MS = 2_000;
/** While Postgres is away, a copy is handed out for so long; then nothing is known. */
const MAX_AGE_AWAY_MS = 300_000;
const WAIT_MS = 1_000;
/** Postgres that failed is left alone for so long. */
const AWAY_MS = 1_000;

interface Copy {
  readonly lengths: SessionLengths | null;
  readonly readAtMs: number;
}

/**
 * How long sessions last in the windows of the summary: read from Postgres, where a window is a sum of few rows, and
 * kept for a moment, so that summaries do not wait for Postgres one by one, and are answered while it is away.
 */
export class SessionReader {
  readonly #copies = new Map<SummaryWindow, Copy>();
  readonly #reading = new Map<SummaryWindow, Promise<Copy | undefined>>();
  #awayUntilMs = 0;

  /** @param monotonicNow milliseconds that only go on, for the age of copies */
  constructor(
    private readonly pool: Pool,
    private readonly monotonicNow: () => number = () => performance.now(),
  ) {}

  /** @returns null where they are not known */
  async lengths(window: SummaryWindow, nowMs: number): Promise<SessionLengths | null> {
    const copy = this.#copies.get(window);
    const ageMs = copy === undefined ? Number.POSITIVE_INFINITY : this.monotonicNow() - copy.readAtMs;
    if (copy !== undefined && ageMs < RENEW_MS) return copy.lengths;
    const reading = this.monotonicNow() < this.#awayUntilMs ? undefined : this.#read(window, nowMs);
    if (copy !== undefined && ageMs < MAX_AGE_MS) return copy.lengths;
    const read = reading === undefined ? undefined : await this.#inTime(reading);
    if (read !== undefined) return read.lengths;
    return copy !== undefined && ageMs < MAX_AGE_AWAY_MS ? copy.lengths : null;
  }

  /** One at a time for each window, so that a Postgres that hangs takes no more than a connection each. */
  #read(window: SummaryWindow, nowMs: number): Promise<Copy | undefined> {
    const running = this.#reading.get(window);
    if (running !== undefined) return running;
    const fromMs = windowBounds(window, nowMs).fromS * 1000;
    const reading = readSessionLengths(this.pool, fromMs, null)
      .then(
        (lengths) => {
          const copy = { lengths, readAtMs: this.monotonicNow() };
          this.#copies.set(window, copy);
          return copy;
        },
        // Why Postgres is away stands in the log of whoever needs it more.
        () => this.#leave(),
      )
      .finally(() => this.#reading.delete(window));
    this.#reading.set(window, reading);
    return reading;
  }

  async #inTime(reading: Promise<Copy | undefined>): Promise<Copy | undefined> {
    return await within(WAIT_MS, reading, () => new QueryUnavailable('Sessions cannot be read in time')).catch(() =>
      this.#leave(),
    );
  }

  #leave(): undefined {
    this.#awayUntilMs = this.monotonicNow() + AWAY_MS;
    return undefined;
  }
}
