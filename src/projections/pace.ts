import { pause } from './keep-leading.js';

const MAX_REST_MS = 5_000;

/**
 * Shares a machine with those who ask and with the projector: after each piece of work it rests for `ratio` times as long as
 * that took. Who wrote the first such tool for live tables calls it the nice ratio: 0 is at full speed, 1 works half of the
 * time, 2 a third of it.
 */
export class Pace {
  constructor(
    private readonly ratio: number,
    private readonly signal: AbortSignal,
  ) {}

  /** Works, and rests; aborting ends the rest early. @throws the signal's reason */
  async of<T>(work: () => Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    const startMs = performance.now();
    const result = await work();
    await this.rest(performance.now() - startMs);
    return result;
  }

  /** @param workedMs how long the last piece of work took */
  async rest(workedMs: number): Promise<void> {
    const restMs = Math.min(MAX_REST_MS, workedMs * this.ratio);
    if (restMs > 0) await pause(restMs, this.signal);
  }
}
