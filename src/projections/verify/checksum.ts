/** A row's hash of 64 bits, in two halves: JavaScript has no fast whole numbers of that size. */
export interface RowHash {
  readonly high: number;
  readonly low: number;
}

/**
 * Hashes a text: two multiplicative hashes of 32 bits with different constants, mixed into each other at the end (after
 * cyrb53). It finds what changed by mistake; against somebody who looks for two texts with one hash it is no guard.
 */
export function hashText(text: string): RowHash {
  let one = 0xdeadbeef;
  let other = 0x41c6ce57;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    one = Math.imul(one ^ code, 0x9e3779b1);
    other = Math.imul(other ^ code, 0x5f356495);
  }
  one = Math.imul(one ^ (one >>> 16), 0x85ebca6b) ^ Math.imul(other ^ (other >>> 13), 0xc2b2ae35);
  other = Math.imul(other ^ (other >>> 16), 0x85ebca6b) ^ Math.imul(one ^ (one >>> 13), 0xc2b2ae35);
  return { high: other >>> 0, low: one >>> 0 };
}

/** A sum of hashes: the same for the same rows in any order, and another where one is there twice. */
export class Checksum {
  #count = 0;
  #high = 0;
  #low = 0;

  get count(): number {
    return this.#count;
  }

  add({ high, low }: RowHash): void {
    const sum = this.#low + low;
    this.#count += 1;
    this.#low = sum >>> 0;
    this.#high = (this.#high + high + (sum > 0xffffffff ? 1 : 0)) >>> 0;
  }

  /** Sixteen hexadecimal digits. */
  toString(): string {
    return this.#high.toString(16).padStart(8, '0') + this.#low.toString(16).padStart(8, '0');
  }
}
