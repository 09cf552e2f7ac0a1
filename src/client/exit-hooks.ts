/** What is to be sent before the process ends. Neither promise rejects, and both are bounded in time. */
export interface ExitTask {
  readonly flush: () => Promise<unknown>;
  readonly close: () => Promise<unknown>;
  /** Signals on which it flushes. */
  readonly signals: readonly NodeJS.Signals[];
}

const tasks = new Set<ExitTask>();
/** One listener a signal for all publishers of the process, so that each can tell its own from the program's. */
const listeners = new Map<NodeJS.Signals, () => void>();

/**
 * Closes when the process has nothing left to do, and flushes on the task's signals. Where the program has no listener of
 * its own for such a signal, the process then ends by it, as it would have without us; else its end is the program's matter.
 *
 * @returns the way to forget the task
 */
export function beforeEnd(task: ExitTask): () => void {
  if (tasks.size === 0) process.on('beforeExit', closeAll);
  tasks.add(task);
  for (const signal of task.signals) if (!listeners.has(signal)) listen(signal);
  return () => forget(task);
}

function forget(task: ExitTask): void {
  if (!tasks.delete(task)) return;
  if (tasks.size === 0) process.off('beforeExit', closeAll);
  for (const [signal, listener] of listeners) {
    if ([...tasks].some(({ signals }) => signals.includes(signal))) continue;
    process.off(signal, listener);
    listeners.delete(signal);
  }
}

function closeAll(): void {
  for (const { close } of tasks) void close();
}

function listen(signal: NodeJS.Signals): void {
  const isListenedTo = (): boolean => process.listeners(signal).some((each) => each !== listener);
  const listener = (): void => {
    // A listener that the program wants to be called once is gone when all is flushed, and what it began goes on.
    const isProgramsMatter = isListenedTo();
    const flushed = [...tasks].filter(({ signals }) => signals.includes(signal)).map(({ flush }) => flush());
    void Promise.all(flushed).then(() => {
      if (isProgramsMatter || isListenedTo()) return;
      process.off(signal, listener);
      listeners.delete(signal);
      process.kill(process.pid, signal);
    });
  };
  listeners.set(signal, listener);
  // Before those of the program, so that it sees them.
  process.prependListener(signal, listener);
}
