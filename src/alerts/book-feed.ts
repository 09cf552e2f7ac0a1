import { decodeAction } from '../stream/alert-actions.js';
import type { ConnectionWatch, JetStreamManager, NatsConnection } from '../stream/connection.js';
import { StreamFollower } from '../stream/stream-follower.js';
import { ALERT_ACTIONS_STREAM, ALERTS_STREAM } from '../stream/streams.js';
import type { Logger } from '../telemetry/logger.js';
import { decodeAlert } from './alert.js';
import { AlertBook } from './alert-book.js';

export interface BookFeedOptions {
  readonly connection: NatsConnection;
  readonly watch: ConnectionWatch;
  readonly manager: JetStreamManager;
  readonly logger: Logger;
}

/** Keeps an AlertBook up to date with its two streams. */
export class BookFeed {
  readonly alerts: StreamFollower;
  readonly actions: StreamFollower;
  #book = new AlertBook();

  constructor(options: BookFeedOptions) {
    const follower = (stream: string, take: (data: Uint8Array, storedAtMs: number) => void): StreamFollower =>
      new StreamFollower({
        ...options,
        stream,
        onMessage: ({ data, storedAtMs }) => take(data, storedAtMs),
        onReset: () => this.#reset(),
        onTrouble: (error) => options.logger.warn({ err: error, stream }, 'A stream of alerts cannot be followed now'),
      });
    this.alerts = follower(ALERTS_STREAM, (data) => {
      const message = decodeAlert(data);
      if (message !== undefined) this.#book.takeAlert(message);
    });
    this.actions = follower(ALERT_ACTIONS_STREAM, (data, storedAtMs) => {
      const action = decodeAction(data);
      if (action !== undefined) this.#book.takeAction(action, storedAtMs);
    });
  }

  /** The book as it stands; another one after a stream was made anew. */
  get book(): AlertBook {
    return this.#book;
  }

  start(): void {
    this.alerts.start();
    this.actions.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.alerts.stop(), this.actions.stop()]);
  }

  /** One stream was emptied or made anew. What the other says is of no use without it, or is read again. */
  #reset(): void {
    this.#book = new AlertBook();
    this.alerts.rewind();
    this.actions.rewind();
  }
}
