import type { LogMessage } from '../events/codec.js';
import type { ConnectionWatch, JetStreamManager, NatsConnection } from './connection.js';
import { FeedBroken, LogFeed } from './log-feed.js';
import { findStream } from './streams.js';

export interface FollowerOptions {
  readonly connection: NatsConnection;
  readonly watch: ConnectionWatch;
  readonly manager: JetStreamManager;
  readonly stream: string;
  /** Told of each message once, in order. What it throws is told to `onTrouble`, and the message counts as taken. */
  readonly onMessage: (message: LogMessage) => void;
  /** The stream was emptied or made anew: everything begins again. */
  readonly onReset: () => void;
  readonly onTrouble: (error: unknown) => void;
}

const PULL_SIZE = 1_000;
const TAKE_TIMEOUT_MS = 1_000;
const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 5_000;

interface Waiting {
  readonly sequence: number;
  readonly settle: (reached: boolean) => void;
}

/**
 * Follows a stream from its beginning for the life of the process, through every outage: after one it goes on behind the
 * last message that it handed on.
 */
export class StreamFollower {
  readonly #stopped = new AbortController();
  readonly #waiting = new Set<Waiting>();
  #position = 0;
  #feed: LogFeed | undefined;
  /** When the stream was made, as JetStream says it. */
  #madeAt: string | undefined;
  #running: Promise<void> | undefined;

  constructor(private readonly options: FollowerOptions) {}

  /** Sequence of the last message that was handed on; 0 before the first. */
  get position(): number {
    return this.#position;
  }

  /** Begins again with the first message, without telling `onReset`. */
  rewind(): void {
    this.#position = 0;
    this.#feed?.close();
    this.#feed = undefined;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    for (const { settle } of this.#waiting) settle(false);
    // Ends a wait for messages at once.
    this.#feed?.close();
    await this.#running;
  }

  /**
   * Waits until everything that was stored before the call has been handed on.
   *
   * @returns whether that was so within `boundMs`
   * @throws NatsError where JetStream does not answer
   */
  async caughtUp(boundMs: number): Promise<boolean> {
    const stream = await findStream(this.options.manager, this.options.stream);
    if (stream === undefined) return false;
    return await this.reached(stream.state.last_seq, boundMs);
  }

  /** Waits until the message of this sequence has been handed on; answers whether it was within `boundMs`. */
  reached(sequence: number, boundMs: number): Promise<boolean> {
    if (this.#position >= sequence) return Promise.resolve(true);
    if (this.#stopped.signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const waiting: Waiting = {
        sequence,
        settle: (reached) => {
          clearTimeout(timer);
          this.#waiting.delete(waiting);
          resolve(reached);
        },
      };
      const timer = setTimeout(() => waiting.settle(false), boundMs);
      this.#waiting.add(waiting);
    });
  }

  async #run(): Promise<void> {
    let retryMs = MIN_RETRY_MS;
    while (!this.#stopped.signal.aborted) {
      const before = this.#position;
      try {
        await this.options.watch.whenConnected(this.#stopped.signal);
        await this.#follow();
      } catch (error) {
        const isRewound = error instanceof FeedBroken && error.reason === 'closed';
        if (!this.#stopped.signal.aborted && !isRewound) this.options.onTrouble(error);
      }
      retryMs = this.#position > before ? MIN_RETRY_MS : Math.min(MAX_RETRY_MS, retryMs * 2);
      await pause(retryMs, this.#stopped.signal);
    }
  }

  async #follow(): Promise<void> {
    const { connection, watch, manager, stream } = this.options;
    const lastSequence = await this.#checkStream();
    const options = { stream, afterSequence: this.#position, pullSize: PULL_SIZE };
    const { feed } = await LogFeed.openFrom(connection, watch, manager, options);
    this.#feed = feed;
    try {
      while (!this.#stopped.signal.aborted && this.#feed === feed) {
        // Of messages that expired or were deleted none comes, and whoever waits for the last one would wait for ever.
        if (feed.pending === 0 && feed.buffered === 0) this.#moveTo(lastSequence);
        for (const message of await feed.take(PULL_SIZE, TAKE_TIMEOUT_MS)) this.#handOn(message);
      }
    } finally {
      this.#feed = undefined;
      await feed.remove(manager).catch(() => undefined);
    }
  }

  /** Answers its last sequence. A stream that is another one, or ends before the position, has nothing to do with what was handed on. */
  async #checkStream(): Promise<number> {
    const found = await findStream(this.options.manager, this.options.stream);
    if (found === undefined) throw new Error(`The stream ${this.options.stream} is missing`);
    const madeAt = String(found.created);
    const isAnother = this.#madeAt !== undefined && this.#madeAt !== madeAt;
    this.#madeAt = madeAt;
    if (isAnother || found.state.last_seq < this.#position) {
      this.#position = 0;
      this.options.onReset();
    }
    return found.state.last_seq;
  }

  #handOn(message: LogMessage): void {
    try {
      this.options.onMessage(message);
    } catch (error) {
      this.options.onTrouble(error);
    }
    this.#moveTo(message.sequence);
  }

  #moveTo(sequence: number): void {
    if (sequence <= this.#position) return;
    this.#position = sequence;
    for (const waiting of this.#waiting) if (waiting.sequence <= sequence) waiting.settle(true);
  }
}

/** Waits, or not so long where the signal is aborted. */
export function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, waitMs);
    signal.addEventListener('abort', end, { once: true });
  });
}
