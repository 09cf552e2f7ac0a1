/** Answers of one question that are kept at most; the oldest go first. */
const MAX_ANSWERS = 32;

/**
 * Computes an answer once for all who ask the same at the same time, and hands it out again for as long as what it was
 * computed from has the same version. A failure is never kept.
 */
export class AnswerCache<T> {
  readonly #answers = new Map<string, { readonly version: string; readonly answer: Promise<T> }>();

  /**
   * @param key what is asked
   * @param version of the data, read before: an answer may be newer than its version, never older
   */
  get(key: string, version: string, compute: () => Promise<T>): Promise<T> {
    const known = this.#answers.get(key);
    if (known?.version === version) return known.answer;
    const entry = { version, answer: compute() };
    this.#answers.delete(key);
    this.#answers.set(key, entry);
    this.#dropOldest();
    entry.answer.catch(() => {
      if (this.#answers.get(key) === entry) this.#answers.delete(key);
    });
    return entry.answer;
  }

  #dropOldest(): void {
    const [oldest] = this.#answers.keys();
    if (oldest !== undefined && this.#answers.size > MAX_ANSWERS) this.#answers.delete(oldest);
  }
}
