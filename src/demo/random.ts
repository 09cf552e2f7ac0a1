/** Random numbers that are the same for the same keys, whatever was drawn elsewhere: mulberry32 over mixed keys. */
export class KeyedRandom {
  #state = 0x9e3779b9;

  constructor(...keys: readonly number[]) {
    for (const key of keys) {
      this.#state = Math.imul(this.#state ^ (key >>> 0), 0x85ebca6b);
      this.#state = Math.imul(this.#state ^ (this.#state >>> 13), 0xc2b2ae35);
      this.#state = (this.#state ^ (this.#state >>> 16)) >>> 0;
    }
  }

  /** 0 <= x < 1 */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Whether something happens that has this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number from `min` to `max`, both included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.integer(0, items.length - 1)] ?? items[0];
  }

  /** How many there are of what comes independently, so many on average. Knuth's way; means here are below 200. */
  poisson(mean: number): number {
    const limit = Math.exp(-mean);
    let count = -1;
    for (let product = 1; product > limit; count += 1) product *= this.next();
    return count;
  }

  /** Above 0, half of them above the median, some far above. Box and Muller's way. */
  logNormal(median: number, spread: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
    return Math.round(median * Math.exp(spread * normal) * 10) / 10;
  }
}
