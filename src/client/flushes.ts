import { MAX_TIMER_MS } from './timers.js';

interface Waiter {
  /** It waits for the events up to this number. */
  readonly lastNumber: number;
  remaining: number;
  isAllStored: boolean;
  readonly resolve: (isAllStored: boolean) => void;
}

/** Who waits until the events that were there when they asked are settled. */
export class Flushes {
  readonly #waiters = new Set<Waiter>();

  /**
   * Waits until `count` events up to `lastNumber` are settled, or the time is over. Unlike everything else here the time
   * keeps the process alive: somebody waits.
   *
   * @returns whether all of them were stored
   */
  wait(lastNumber: number, count: number, timeoutMs: number): Promise<boolean> {
    if (count === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const timer = setTimeout(() => end(false), Math.min(timeoutMs, MAX_TIMER_MS));
      const end = (isAllStored: boolean): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        resolve(isAllStored);
      };
      const waiter: Waiter = { lastNumber, remaining: count, isAllStored: true, resolve: end };
      this.#waiters.add(waiter);
    });
  }

  /** An event is stored, or given up. */
  settle(number: number, isStored: boolean): void {
    for (const waiter of this.#waiters) {
      if (number > waiter.lastNumber) continue;
      waiter.remaining -= 1;
      waiter.isAllStored &&= isStored;
      if (waiter.remaining === 0) waiter.resolve(waiter.isAllStored);
    }
  }
}
