/** Answers that are kept at most; the oldest go first. */
const MAX_ANSWERS = 32;

interface Kept<T> {
  readonly second: number;
  readonly parts: readonly unknown[];
  readonly answer: T;
}

/**
 * Gives the very same answer again for as long as all that it is made of is the same, and the second of the clock: what
 * changes by the clock alone (`generated_at`, rates of a window that grows) is less than a second old. So whoever writes an
 * answer as text can know it by the object, and writes it once.
 */
export class SameAnswers<T> {
  readonly #kept = new Map<string, Kept<T>>();

  /**
   * @param key what is asked
   * @param parts what the answer is made of; compared by identity
   */
  get(key: string, nowMs: number, parts: readonly unknown[], make: () => T): T {
    const second = Math.floor(nowMs / 1000);
    const known = this.#kept.get(key);
    if (known?.second === second && known.parts.every((part, index) => part === parts[index])) return known.answer;
    const answer = make();
    this.#kept.delete(key);
    this.#kept.set(key, { second, parts, answer });
    this.#dropOld(second);
    return answer;
  }

  /** A Map keeps the order of insertion. What is of an earlier second will not be given again: it would only be held. */
  #dropOld(second: number): void {
    for (const [key, known] of this.#kept) {
      if (known.second === second && this.#kept.size <= MAX_ANSWERS) return;
      this.#kept.delete(key);
    }
  }

  /** How many answers are held. */
  get size(): number {
    return this.#kept.size;
  }
}
