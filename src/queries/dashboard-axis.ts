import type { DashboardRange } from './dashboard-range.js';

/** Value of one interval of a series. */
export interface Point {
  /** Start of the interval, RFC 3339 in UTC. */
  readonly t: string;
  readonly value: number | null;
}

/** One point for every interval. */
export type Series = readonly Point[];
export type SplitSeries = Readonly<Record<string, Series>>;

/**
 * The intervals of a range. They are counted from 1970 (UTC), so that all who ask for days ask for the same days; the
 * first begins and the last ends where the range does.
 */
export class DashboardAxis {
  readonly starts: readonly string[];
  readonly #first: number;
  readonly #intervalMs: number;

  constructor(private readonly range: DashboardRange) {
    const { fromMs, toMs, intervalSeconds } = range;
    this.#intervalMs = intervalSeconds * 1000;
    this.#first = Math.floor(fromMs / this.#intervalMs);
    const starts: string[] = [];
    for (let at = this.#first; at * this.#intervalMs < toMs; at += 1) {
      starts.push(new Date(Math.max(fromMs, at * this.#intervalMs)).toISOString());
    }
    this.starts = starts;
  }

  /** Which interval a time of the range lies in, from 0. */
  intervalOf(time: Date): number {
    return Math.floor(time.getTime() / this.#intervalMs) - this.#first;
  }

  /** How much of an interval has passed, in seconds; at least one. */
  passedSeconds(interval: number, nowMs: number): number {
    const { fromMs, toMs } = this.range;
    const startMs = Math.max(fromMs, (this.#first + interval) * this.#intervalMs);
    const endMs = Math.min(toMs, (this.#first + interval + 1) * this.#intervalMs, nowMs);
    return Math.max(1, (endMs - startMs) / 1000);
  }

  /** A point for every interval; where nothing was counted, `empty`. */
  series(values: ReadonlyMap<number, number | null>, empty: 0 | null): Series {
    return this.starts.map((t, interval) => ({ t, value: values.get(interval) ?? empty }));
  }

  /** A series for each key, in the order of the keys' names. */
  split(values: ReadonlyMap<string, ReadonlyMap<number, number | null>>, empty: 0 | null): SplitSeries {
    return Object.fromEntries(
      [...values].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, ofKey]) => [key, this.series(ofKey, empty)]),
    );
  }
}
