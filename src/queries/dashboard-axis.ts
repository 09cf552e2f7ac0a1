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

  /** The place in the range, from 0, of an interval that is counted from 1970. */
  placeOf(interval: number): number {
    return interval - this.#first;
  }

  /** How much of an interval has passed, in seconds; at least one. */
  passedSeconds(place: number, nowMs: number): number {
    const { fromMs, toMs } = this.range;
    const startMs = Math.max(fromMs, (this.#first + place) * this.#intervalMs);
    const endMs = Math.min(toMs, (this.#first + place + 1) * this.#intervalMs, nowMs);
    return Math.max(1, (endMs - startMs) / 1000);
  }

  /** A point for every interval; where nothing was counted, `empty`. */
  series(values: ReadonlyMap<number, number | null>, empty: 0 | null): Series {
    return this.starts.map((t, place) => ({ t, value: values.get(place) ?? empty }));
  }

  /** A series for each key, in the order of the keys' names. */
  split(values: ReadonlyMap<string, ReadonlyMap<number, number | null>>, empty: 0 | null): SplitSeries {
    return Object.fromEntries(
      [...values].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, ofKey]) => [key, this.series(ofKey, empty)]),
    );
  }
}
