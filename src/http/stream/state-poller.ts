/** What a question came to, as it is sent to every client. */
export interface PolledState {
  /** Undefined where the question could not be answered. */
  readonly id: string | undefined;
  readonly frame: Buffer;
}

/**
 * Asks again and again while anybody listens, and tells each listener when the state has become another one. One
 * question goes on at a time, whatever the number of listeners, and two begin at least `intervalMs` apart.
 */
export class StatePoller {
  readonly #listeners = new Set<(state: PolledState) => void>();
  #last: PolledState | undefined;
  #isRunning = false;
  #wake: (() => void) | undefined;

  /** @param ask never throws */
  constructor(
    private readonly ask: () => Promise<PolledState>,
    private readonly intervalMs: number,
  ) {}

  /**
   * Tells the listener the present state, now or when it is known, and then each change.
   *
   * @returns how to stop listening
   */
  listen(listener: (state: PolledState) => void): () => void {
    this.#listeners.add(listener);
    if (this.#last !== undefined) listener(this.#last);
    if (!this.#isRunning) void this.#run();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#wake?.();
    };
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#listeners.size > 0) {
      const startMs = performance.now();
      const state = await this.ask();
      // Two failures are the same state; an answer after a failure is another one, whatever it says.
      if (this.#last === undefined || state.id !== this.#last.id) {
        this.#last = state;
        for (const listener of this.#listeners) listener(state);
      }
      await this.#rest(this.intervalMs - (performance.now() - startMs));
    }
    // Whoever comes next gets no state that nobody has looked after meanwhile.
    this.#last = undefined;
    this.#isRunning = false;
  }

  /** Also ends when the last listener leaves. */
  async #rest(restMs: number): Promise<void> {
    if (this.#listeners.size === 0) return;
    await new Promise<void>((resolve) => {
      // A timer even where no time is left: an answer that comes without one would let nothing else in.
      const timer = setTimeout(resolve, Math.max(0, restMs));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }
}
