import type { Pool } from 'pg';
import { readSessionLengths, type SessionLengths } from '../store/session-lengths.js';
import { QueryUnavailable, within } from './unavailable.js';
import { type SummaryWindow, windowBounds } from './windows.js';

/** A copy that is older is renewed beside the query that finds it so. */
const RENEW_MS = 500;
/** A copy that is older is not handed out while Postgres answers in time: the query waits for a new one. */
const MAX_AGE_MS = 2_000;
/** While Postgres is away or slow, a copy is handed out for so long; then nothing is known. */
const MAX_AGE_AWAY_MS = 300_000;
/**
 * How long a query waits for Postgres. One that has a copy waits less: a Postgres that is busy, as in a rebuild, would make
 * every summary take a second.
 */
const WAITS = { withCopyMs: 150, withoutMs: 1_000 } as const;
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
    private readonly waits: { readonly withCopyMs: number; readonly withoutMs: number } = WAITS,
  ) {}

  /** @returns null where they are not known */
  async lengths(window: SummaryWindow, nowMs: number): Promise<SessionLengths | null> {
    const copy = this.#copies.get(window);
    const ageMs = copy === undefined ? Number.POSITIVE_INFINITY : this.monotonicNow() - copy.readAtMs;
    if (copy !== undefined && ageMs < RENEW_MS) return copy.lengths;
    const reading = this.monotonicNow() < this.#awayUntilMs ? undefined : this.#read(window, nowMs);
    if (copy !== undefined && ageMs < MAX_AGE_MS) return copy.lengths;
    const usable = ageMs < MAX_AGE_AWAY_MS ? copy : undefined;
    const waitMs = usable === undefined ? this.waits.withoutMs : this.waits.withCopyMs;
    const read = reading === undefined ? undefined : await this.#inTime(waitMs, reading);
    return (read ?? usable)?.lengths ?? null;
  }

  /** One at a time for each window, so that a Postgres that hangs takes no more than a connection each. */
  #read(window: SummaryWindow, nowMs: number): Promise<Copy | undefined> {
    const running = this.#reading.get(window);
    if (running !== undefined) return running;
    const fromMs = windowBounds(window, nowMs).fromS * 1000;
    const reading = readSessionLengths(this.pool, fromMs, null)
      .then(
        (lengths) => {
          const known = this.#copies.get(window)?.lengths ?? null;
          const copy = { lengths: isSame(known, lengths) ? known : lengths, readAtMs: this.monotonicNow() };
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

  async #inTime(waitMs: number, reading: Promise<Copy | undefined>): Promise<Copy | undefined> {
    return await within(waitMs, reading, () => new QueryUnavailable('Sessions cannot be read in time')).catch(() =>
      this.#leave(),
    );
  }

  #leave(): undefined {
    this.#awayUntilMs = this.monotonicNow() + AWAY_MS;
    return undefined;
  }
}

/** The same numbers are given as the same object, by which answers are known. */
function isSame(a: SessionLengths | null, b: SessionLengths | null): boolean {
  if (a === null || b === null) return a === b;
  return (
    a.sessions === b.sessions &&
    a.averageSeconds === b.averageSeconds &&
    a.p50Seconds === b.p50Seconds &&
    a.p95Seconds === b.p95Seconds
  );
}
