import { createInbox, ErrorCode, headers, type NatsConnection, NatsError, type Subscription } from 'nats';
import { type Acknowledgement, readAcknowledgement } from './acknowledgement.js';
import type { SendTrouble } from './drop-reporter.js';
import type { Entry, EventBuffer } from './event-buffer.js';

export interface SenderOptions {
  /** Events that are written at one go. */
  readonly batchSize: number;
  /** How long an event waits for others to come. */
  readonly batchIntervalMs: number;
  /** Events that wait for their acknowledgement at one time. */
  readonly maxInFlight: number;
  readonly ackTimeoutMs: number;
  readonly inboxPrefix?: string | undefined;
}

/** Told of each event's end. */
export interface SenderListener {
  readonly onStored: (entry: Entry, duplicate: boolean) => void;
  readonly onTooLarge: (entry: Entry) => void;
}

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;

/**
 * Sends what is in the buffer while there is a connection, each event with a reply subject of its own below one inbox, and
 * settles it when JetStream acknowledges it. What is not acknowledged in time, or is refused, or was in flight when the
 * connection went, is given back and sent again with the same id: JetStream, or the service later on, drops the repeat.
 *
 * Its timers do not keep the process alive.
 */
export class Sender {
  readonly #inbox: string;
  readonly #inFlight = new Map<number, { readonly entry: Entry; readonly deadlineMs: number }>();
  #connection: NatsConnection | undefined;
  #subscription: Subscription | undefined;
  #nextToken = 0;
  #trouble: SendTrouble | undefined = 'disconnected';
  #pauseMs = 0;
  #pausedUntilMs = 0;
  #sendTimer: NodeJS.Timeout | undefined;
  #sendDueMs = 0;
  #sweepTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly buffer: EventBuffer,
    private readonly options: SenderOptions,
    private readonly listener: SenderListener,
  ) {
    this.#inbox = createInbox(options.inboxPrefix);
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** What keeps events from being stored at the moment. */
  get trouble(): SendTrouble | undefined {
    return this.#trouble;
  }

  /** From now on events go over this connection. */
  attach(connection: NatsConnection): void {
    try {
      this.#subscription = connection.subscribe(`${this.#inbox}.*`, {
        callback: (error, message) => {
          if (error === null) this.#onAnswer(message.subject, readAcknowledgement(message));
        },
      });
    } catch {
      // It is closing: there will be another, or none.
      this.#trouble = 'cannot_publish';
      return;
    }
    this.#connection = connection;
    this.#trouble = undefined;
    this.#pauseMs = 0;
    this.#pausedUntilMs = 0;
    this.sendSoon();
  }

  /** The connection is gone: what is in flight is to be sent again. */
  detach(): void {
    this.#connection = undefined;
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
    this.#trouble = 'disconnected';
    for (const { entry } of this.#inFlight.values()) this.buffer.giveBack(entry);
    this.#inFlight.clear();
    this.#stopTimers();
  }

  /** An event has come: it is sent with others, once there is a batch of them or the interval is over. */
  offer(): void {
    this.#schedule(this.buffer.waiting >= this.options.batchSize ? 0 : this.options.batchIntervalMs);
  }

  /** What waits is sent without waiting for more to come. */
  sendSoon(): void {
    this.#schedule(0);
  }

  #schedule(delayMs: number): void {
    if (this.#connection === undefined || this.buffer.waiting === 0) return;
    const nowMs = performance.now();
    const dueMs = Math.max(nowMs + delayMs, this.#pausedUntilMs);
    if (this.#sendTimer !== undefined && this.#sendDueMs <= dueMs) return;
    clearTimeout(this.#sendTimer);
    this.#sendDueMs = dueMs;
    this.#sendTimer = setTimeout(() => this.#sendBatch(), dueMs - nowMs).unref();
  }

  #sendBatch(): void {
    this.#sendTimer = undefined;
    const connection = this.#connection;
    if (connection === undefined) return;
    const room = Math.min(this.options.batchSize, this.options.maxInFlight - this.#inFlight.size);
    for (const entry of this.buffer.take(room)) this.#send(connection, entry);
    this.#startSweeping();
    // Where all places in flight are taken, the next acknowledgement goes on.
    if (this.#inFlight.size < this.options.maxInFlight) this.sendSoon();
  }

  #send(connection: NatsConnection, entry: Entry): void {
    const messageHeaders = headers();
    const token = this.#nextToken;
    this.#nextToken += 1;
    try {
      messageHeaders.set('Nats-Msg-Id', entry.id);
      const reply = `${this.#inbox}.${token.toString(36)}`;
      connection.publish(entry.subject, entry.payload, { reply, headers: messageHeaders });
      this.#inFlight.set(token, { entry, deadlineMs: performance.now() + this.options.ackTimeoutMs });
    } catch (error) {
      // Nothing has been written. The connection is closing, or the server takes no message of that size.
      if (error instanceof NatsError && error.code === ErrorCode.MaxPayloadExceeded) this.listener.onTooLarge(entry);
      else this.#sendLater(entry, 'cannot_publish');
    }
  }

  #onAnswer(subject: string, answer: Acknowledgement): void {
    const token = Number.parseInt(subject.slice(this.#inbox.length + 1), 36);
    const waiting = this.#inFlight.get(token);
    // One that comes late finds nobody: its event has been sent again.
    if (waiting === undefined) return;
    this.#inFlight.delete(token);
    if (answer.kind === 'trouble') this.#sendLater(waiting.entry, answer.trouble);
    else if (answer.kind === 'too_large') this.listener.onTooLarge(waiting.entry);
    else {
      this.#trouble = undefined;
      this.#pauseMs = 0;
      this.listener.onStored(waiting.entry, answer.duplicate);
    }
    this.offer();
  }

  /** Keeps an event, and stops sending for a while, longer each time; those of one batch that fail together count once. */
  #sendLater(entry: Entry, trouble: SendTrouble): void {
    this.buffer.giveBack(entry);
    this.#trouble = trouble;
    const nowMs = performance.now();
    if (nowMs >= this.#pausedUntilMs) {
      this.#pauseMs = Math.min(MAX_PAUSE_MS, Math.max(FIRST_PAUSE_MS, this.#pauseMs * 2));
      this.#pausedUntilMs = nowMs + this.#pauseMs;
      clearTimeout(this.#sendTimer);
      this.#sendTimer = undefined;
    }
    this.sendSoon();
  }

  #startSweeping(): void {
    const [first] = this.#inFlight.values();
    if (first === undefined) return;
    this.#sweepTimer ??= setTimeout(() => this.#sweep(), first.deadlineMs - performance.now()).unref();
  }

  /** A Map keeps the order of insertion and all deadlines are equally far, so the first that is not due ends the walk. */
  #sweep(): void {
    this.#sweepTimer = undefined;
    const nowMs = performance.now();
    for (const [token, { entry, deadlineMs }] of this.#inFlight) {
      if (deadlineMs > nowMs) break;
      this.#inFlight.delete(token);
      this.#sendLater(entry, 'no_acknowledgement');
    }
    this.#startSweeping();
  }

  #stopTimers(): void {
    clearTimeout(this.#sendTimer);
    clearTimeout(this.#sweepTimer);
    this.#sendTimer = undefined;
    this.#sweepTimer = undefined;
  }
}
