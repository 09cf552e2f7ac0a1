/**
 * One piece of work for all who ask the same within one turn of the event loop. It begins when all of them have asked, so
 * it knows nothing less than a piece of work of each one's own would.
 */
export class SameTurn<T> {
  /** Emptied at the end of each turn. */
  readonly #asked = new Map<string, Promise<T>>();

  /** @param work one of those that are given with the same key in the same turn is done */
  ask(key: string, work: () => Promise<T>): Promise<T> {
    const known = this.#asked.get(key);
    if (known !== undefined) return known;
    const answer = endOfTurn().then(() => {
      this.#asked.delete(key);
      return work();
    });
    this.#asked.set(key, answer);
    return answer;
  }
}

/** Behind everything that sockets have brought in this turn. */
function endOfTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
