interface Reading {
  readonly atMs: number;
  readonly sequence: number;
}

/** A rate is taken over this time at most. */
const WINDOW_MS = 60_000;
/** Over less it would tell of single batches. */
const MIN_SPAN_MS = 900;
/** One reading in this time is kept, so that many who ask cost no memory. */
const SPACING_MS = 900;

/** How fast positions move, from readings of them: whoever reads the status seldom is told of the time since. */
export class PositionRates {
  readonly #readings = new Map<string, Reading[]>();

  /**
   * Notes where something is.
   *
   * @param nowMs a clock that only goes forward
   * @returns events per second, over the past minute or since the reading before; null at first, and where it went back
   */
  note(name: string, sequence: number, nowMs: number): number | null {
    const known = this.#readings.get(name) ?? [];
    const last = known.at(-1);
    // It was begun anew: what was before says nothing of its rate.
    const kept = last !== undefined && last.sequence > sequence ? [] : known;
    // The latest that is older than the window stays, so that there is always one to compare with.
    while ((kept[1]?.atMs ?? Number.POSITIVE_INFINITY) <= nowMs - WINDOW_MS) kept.shift();
    const first = kept[0];
    const newest = kept.at(-1);
    if (newest === undefined || nowMs - newest.atMs >= SPACING_MS) kept.push({ atMs: nowMs, sequence });
    this.#readings.set(name, kept);
    if (first === undefined || nowMs - first.atMs < MIN_SPAN_MS) return null;
    return Math.round(((sequence - first.sequence) * 1e6) / (nowMs - first.atMs)) / 1000;
  }
}
