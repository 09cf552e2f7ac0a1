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
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined && this.#kept.size > MAX_ANSWERS) this.#kept.delete(oldest);
    return answer;
  }
}
