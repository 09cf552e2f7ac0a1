/** Adds decimal numbers as Postgres writes them (`-12.50`), exactly: the sum of doubles would depend on their order. */
export class DecimalSum {
  #units = 0n;
  #decimals = 0;

  add(text: string): this {
    const point = text.indexOf('.');
    const decimals = point === -1 ? 0 : text.length - point - 1;
    const units = BigInt(point === -1 ? text : text.slice(0, point) + text.slice(point + 1));
    if (decimals > this.#decimals) {
      this.#units *= 10n ** BigInt(decimals - this.#decimals);
      this.#decimals = decimals;
    }
    this.#units += units * 10n ** BigInt(this.#decimals - decimals);
    return this;
  }

  /** The nearest double. */
  get value(): number {
    return Number(`${this.#units}e-${this.#decimals}`);
  }
}
