import type { Seen } from './evaluation-state.js';

interface SeenAt {
  readonly atMs: number;
  readonly seen: Seen;
}

/** Copies are this part of the lookback apart. */
const COPIES_PER_LOOKBACK = 4;

/**
 * Who had been seen when, at a few moments of the past: what an engine has to be told that begins to read the log there.
 * At most COPIES_PER_LOOKBACK + 2 copies are kept.
 */
export class SeenHistory {
  readonly #copies: SeenAt[];

  constructor(
    first: SeenAt,
    private readonly lookbackMs: number,
  ) {
    this.#copies = [first];
  }

  /** @param atMs end of the last bucket that was closed */
  note(atMs: number, seen: Iterable<readonly [service: string, seenMs: number]>): void {
    const last = this.#copies.at(-1);
    if (last === undefined || atMs - last.atMs >= this.lookbackMs / COPIES_PER_LOOKBACK) {
      this.#copies.push({ atMs, seen: new Map(seen) });
    }
    while ((this.#copies[1]?.atMs ?? Number.POSITIVE_INFINITY) <= atMs - this.lookbackMs) this.#copies.shift();
  }

  /** The latest that is as far back as has to be read, or the first of all. */
  get begin(): SeenAt {
    const [first] = this.#copies;
    if (first === undefined) throw new Error('There is always a copy');
    return first;
  }
}
