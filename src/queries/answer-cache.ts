/** Answers of one question that are kept at most; the oldest go first. */
const MAX_ANSWERS = 32;

/** How long an answer is handed out although the data have moved on. */
export interface AnswerRest {
  /** In times that the answer took to compute: under constant change, 4 leaves four fifths of the time to others. */
  readonly factor: number;
  /** No longer than this, however long the answer took. */
  readonly maxMs: number;
}

/** For answers that must be fresh. */
export const NO_REST: AnswerRest = { factor: 0, maxMs: 0 };

interface Entry<T> {
  readonly version: string;
  readonly answer: Promise<T>;
  running: boolean;
  /** By `performance.now()`; until then it is handed out whatever the version. */
  restsUntilMs: number;
  /** Begins when this one is done, for those whose version is newer. */
  next: Promise<T> | undefined;
}

/**
 * Computes an answer once for all who ask the same at the same time, and hands it out again for as long as what it was
 * computed from has the same version. A failure is never kept.
 *
 * While an answer is computed and the version moves on, those who ask wait for one common successor: so however fast
 * the data changes, one computation of a question goes on at a time.
 */
export class AnswerCache<T> {
  readonly #entries = new Map<string, Entry<T>>();

  constructor(private readonly rest: AnswerRest = NO_REST) {}

  /**
   * @param key what is asked
   * @param version of the data, read before: an answer may be newer than its version, never older (but for its rest)
   * @param mayRest whether an answer of an older version will do
   */
  get(key: string, version: string, compute: () => Promise<T>, mayRest = true): Promise<T> {
    const known = this.#entries.get(key);
    if (known?.version === version) return known.answer;
    if (mayRest && known !== undefined && performance.now() < known.restsUntilMs) return known.answer;
    if (known?.running !== true) return this.#start(key, version, compute);
    known.next ??= known.answer.then(
      () => this.#start(key, version, compute),
      () => this.#start(key, version, compute),
    );
    return known.next;
  }

  #start(key: string, version: string, compute: () => Promise<T>): Promise<T> {
    const startMs = performance.now();
    const entry: Entry<T> = { version, answer: compute(), running: true, restsUntilMs: 0, next: undefined };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    this.#dropOutdated(version, startMs);
    entry.answer.then(
      () => {
        const nowMs = performance.now();
        entry.running = false;
        entry.restsUntilMs = nowMs + Math.min(this.rest.maxMs, this.rest.factor * (nowMs - startMs));
      },
      () => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
      },
    );
    return entry.answer;
  }

  /** How many answers are held. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Besides the oldest, what nobody will get any more: a range that ends now is another question each minute, and its
   * answers, a megabyte each, would be held until there are too many.
   */
  #dropOutdated(version: string, nowMs: number): void {
    for (const [key, entry] of this.#entries) {
      const isOutdated = entry.version !== version && !entry.running && nowMs >= entry.restsUntilMs;
      if (isOutdated) this.#entries.delete(key);
    }
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined && this.#entries.size > MAX_ANSWERS) this.#entries.delete(oldest);
  }
}
