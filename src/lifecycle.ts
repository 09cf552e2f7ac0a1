import type { Logger } from './telemetry/logger.js';

interface Closer {
  readonly name: string;
  readonly close: () => Promise<void> | void;
}

const CLOSE_TIMEOUT_MS = 4_000;
const STOP_TIMEOUT_MS = 9_000;

/**
 * What was started, to be ended in the opposite order. Ending is bounded: what does not end in time is left behind and
 * told, since the process is about to end anyway.
 */
export class Lifecycle {
  readonly #closers: Closer[] = [];
  #stopping: Promise<void> | undefined;

  constructor(private readonly logger: Logger) {}

  /** Registers how to end what has just been started. */
  onStop(name: string, close: Closer['close']): void {
    this.#closers.push({ name, close });
  }

  /** Ends everything, last in, first out. Asked twice, it is done once. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const deadlineMs = performance.now() + STOP_TIMEOUT_MS;
    for (const { name, close } of this.#closers.reverse()) {
      const boundMs = Math.max(100, Math.min(CLOSE_TIMEOUT_MS, deadlineMs - performance.now()));
      try {
        if (!(await endsWithin(close, boundMs))) this.logger.error({ part: name, boundMs }, 'Did not stop in time');
      } catch (error) {
        this.logger.error({ part: name, err: error }, 'Failed to stop');
      }
    }
  }
}

async function endsWithin(close: Closer['close'], boundMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), boundMs);
  });
  try {
    return await Promise.race([Promise.resolve(close()).then(() => true), bound]);
  } finally {
    clearTimeout(timer);
  }
}
