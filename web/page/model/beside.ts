/** What a question beside the main one is answered with, unless it takes longer than that one by `waitMs`; then undefined. */
export function beside<T>(question: Promise<T>, main: Promise<unknown>, waitMs: number): Promise<T | undefined> {
  const isOver = main.then(() => new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), waitMs)));
  return Promise.race([question, isOver]);
}
