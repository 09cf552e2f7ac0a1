/** Random numbers that can be had again: mulberry32, seeded by METRICS_TEST_SEED or anew. */
export class SeededRandom {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** Prints the seed, so that a failure can be run again. */
  static announced(purpose: string): SeededRandom {
    const seed = Number(process.env.METRICS_TEST_SEED ?? Math.floor(Math.random() * 2 ** 32));
    console.log(`${purpose}: METRICS_TEST_SEED=${seed}`);
    return new SeededRandom(seed);
  }

  /** 0 <= x < 1 */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `min` to `max`, both included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.integer(0, items.length - 1)] ?? items[0];
  }
}
