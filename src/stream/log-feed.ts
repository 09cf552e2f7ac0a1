import {
  AckPolicy,
  DeliverPolicy,
  type JetStreamManager,
  type Msg,
  type NatsConnection,
  NatsError,
  type Subscription,
} from 'nats';
import type { LogMessage } from '../events/codec.js';
import { parseAckSubject } from './ack-subject.js';
import type { ConnectionWatch } from './connection.js';
import { hasMessageFrom } from './has-message.js';
import { newInbox } from './inbox.js';
import { readHeaders } from './message-headers.js';

/** Why a feed cannot go on; its owner opens another one from its checkpoint. */
export type FeedBreak = 'disconnected' | 'gap_in_delivery' | 'consumer_gone' | 'silent' | 'closed';

/** Thrown by `take` once the feed can no longer promise to deliver every message in order. */
export class FeedBroken extends Error {
  constructor(readonly reason: FeedBreak) {
    super(`The feed of the log broke: ${reason}`);
    this.name = 'FeedBroken';
  }
}

export interface FeedOptions {
  readonly stream: string;
  /** Name of the durable consumer. It is permanent: operators look at it. */
  readonly durable: string;
  /** The feed begins with the first message behind this sequence. */
  readonly afterSequence: number;
  /** Messages asked for at a time; at most twice as many are held. */
  readonly pullSize: number;
}

/** The feed begins with the first message that was stored at a time, ms since 1970, or later; or behind a sequence. */
export type UnnamedFeedOptions = Pick<FeedOptions, 'stream' | 'pullSize'> & {
  /** Payloads stay where they are. */
  readonly headersOnly?: boolean;
} & ({ readonly fromMs: number } | { readonly afterSequence: number });

/** A message together with the subject that acknowledges it and all before it. */
export interface FedMessage extends LogMessage {
  readonly ackSubject: string;
}

const PULL_EXPIRES_MS = 5_000;
/** What one pull may bring in bytes; as much again may wait to be taken. */
const PULL_MAX_BYTES = 32 * 1024 * 1024;
/** While a pull waits, the server says so this often. */
const HEARTBEAT_MS = 1_000;
/** Past this the server, the connection or the consumer is gone: of a deleted consumer nobody tells. */
const MAX_SILENCE_MS = 3_500;
/** Longer than any outage of Postgres that a batch may wait for: a redelivery would only be skipped anyway. */
const ACK_WAIT_NS = 600 * 1e9;
/** More than any reader holds: what it has decoded and not written yet is not acknowledged. */
const MAX_ACK_PENDING = 32_000;
const FULL_BY_BYTES = 'message size exceeds maxbytes';
const CONSUMER_NOT_FOUND = 10014;
/** The server removes a consumer without a name when nobody has asked it for so long: its reader may have died. */
const UNREAD_NS = 60 * 1e9;
const ACK = new TextEncoder().encode('+ACK');

/**
 * Reads a stream in order, each message once, from a given sequence on. The consumer is made anew at each
 * opening: the reader's checkpoint is the truth, acknowledgements only show operators how far it is.
 *
 * States: open (a pull is outstanding or the buffer is full) → broken (the reason is kept; `take` throws it).
 * A message lost on the way shows as a gap in the consumer's own sequence and breaks the feed.
 */
export class LogFeed {
  readonly #buffer: FedMessage[] = [];
  readonly #inbox: string;
  readonly #unwatch: () => void;
  readonly #subscription: Subscription;
  #broken: FeedBreak | undefined;
  #wake: (() => void) | undefined;
  #outstanding = 0;
  #bufferedBytes = 0;
  #heardAtMs = 0;
  #deliverySequence = 0;
  #pending: number | undefined;
  /** Nothing up to here is to come. */
  #startsAfter = 0;
  #lastSequence: number;

  private constructor(
    private readonly connection: NatsConnection,
    watch: ConnectionWatch,
    private readonly options: { readonly stream: string; readonly consumer: string; readonly pullSize: number },
    afterSequence: number,
  ) {
    this.#lastSequence = afterSequence;
    this.#inbox = newInbox(connection);
    this.#unwatch = watch.onChange(() => this.#break('disconnected'));
    this.#subscription = connection.subscribe(this.#inbox, { callback: (_error, message) => this.#receive(message) });
    this.#pull();
  }

  /**
   * Makes the durable consumer anew behind `afterSequence` and begins to read.
   *
   * @throws NatsError where the stream is missing or JetStream does not answer
   */
  static async open(
    connection: NatsConnection,
    watch: ConnectionWatch,
    manager: JetStreamManager,
    options: FeedOptions,
  ): Promise<LogFeed> {
    await deleteConsumer(manager, options.stream, options.durable);
    await manager.consumers.add(options.stream, {
      durable_name: options.durable,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: options.afterSequence + 1,
      ack_policy: AckPolicy.All,
      ack_wait: ACK_WAIT_NS,
      max_ack_pending: MAX_ACK_PENDING,
    });
    const { stream, durable, afterSequence, pullSize } = options;
    return new LogFeed(connection, watch, { stream, consumer: durable, pullSize }, afterSequence);
  }

  /**
   * Reads with a consumer that is of this feed alone: it has no name of its own, nothing is acknowledged, and `remove`
   * takes it away.
   *
   * @returns the feed, and how many messages there were to read
   * @throws NatsError where the stream is missing or JetStream does not answer
   */
  static async openFrom(
    connection: NatsConnection,
    watch: ConnectionWatch,
    manager: JetStreamManager,
    options: UnnamedFeedOptions,
  ): Promise<{ readonly feed: LogFeed; readonly pending: number }> {
    const { stream, pullSize, headersOnly } = options;
    const start =
      'fromMs' in options
        ? { deliver_policy: DeliverPolicy.StartTime, opt_start_time: new Date(options.fromMs).toISOString() }
        : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: options.afterSequence + 1 };
    const {
      name,
      num_pending: pending,
      delivered,
    } = await manager.consumers.add(stream, {
      ...start,
      ack_policy: AckPolicy.None,
      inactive_threshold: UNREAD_NS,
      headers_only: headersOnly === true,
      mem_storage: true,
    });
    const feed = new LogFeed(connection, watch, { stream, consumer: name, pullSize }, 0);
    feed.#pending ??= pending;
    feed.#startsAfter = delivered.stream_seq;
    return { feed, pending };
  }

  /**
   * Whether everything has been taken that there is. Where messages were deleted, nats-server 2.9 may count as pending what
   * is not there any more: so where it says that there is more, the stream is asked.
   *
   * @throws NatsError where JetStream does not answer
   */
  async isAtEnd(manager: JetStreamManager): Promise<boolean> {
    if (this.#buffer.length > 0) return false;
    if (this.#pending === 0) return true;
    const behind = Math.max(this.#lastSequence, this.#startsAfter) + 1;
    return !(await hasMessageFrom(manager, this.options.stream, behind)) && this.#buffer.length === 0;
  }

  /**
   * How many messages the server had behind the last one that came, when it came, or more; undefined where that is not
   * known.
   */
  get pending(): number | undefined {
    return this.#pending;
  }

  /** Messages received and not yet taken. */
  get buffered(): number {
    return this.#buffer.length;
  }

  /**
   * Takes what has arrived, waiting at most `maxWaitMs` for the first message.
   *
   * @returns at most `maxMessages`, in the order of the log; empty where nothing came in time
   * @throws FeedBroken once the feed cannot go on
   */
  async take(maxMessages: number, maxWaitMs: number): Promise<FedMessage[]> {
    if (this.#buffer.length === 0) await this.#waitForMessage(maxWaitMs);
    if (this.#broken !== undefined) throw new FeedBroken(this.#broken);
    if (this.#buffer.length === 0) this.#checkSilence();
    const taken = this.#buffer.splice(0, maxMessages);
    for (const message of taken) this.#bufferedBytes -= message.data.length;
    this.#pull();
    return taken;
  }

  /** Looked at only after a wait for messages, so that a process that was busy itself does not blame the server. */
  #checkSilence(): void {
    if (this.#outstanding === 0 || Date.now() - this.#heardAtMs < MAX_SILENCE_MS) return;
    this.#break('silent');
    throw new FeedBroken('silent');
  }

  /** Tells the server that this message and all before it are done. A lost acknowledgement is made good by the next. */
  ack({ ackSubject }: Pick<FedMessage, 'ackSubject'>): void {
    if (this.#broken === undefined) this.connection.publish(ackSubject, ACK);
  }

  /** Stops reading. The consumer stays, so that operators see it; its next owner makes it anew. */
  close(): void {
    this.#break('closed');
  }

  /** Stops reading, and takes the consumer away. */
  async remove(manager: JetStreamManager): Promise<void> {
    this.close();
    await deleteConsumer(manager, this.options.stream, this.options.consumer);
  }

  #waitForMessage(maxWaitMs: number): Promise<void> {
    if (this.#broken !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), maxWaitMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }

  /** One pull at a time, so that what is held stays below twice the pull size, in messages and in bytes. */
  #pull(): void {
    if (this.#broken !== undefined || this.#outstanding > 0) return;
    if (this.#buffer.length >= this.options.pullSize || this.#bufferedBytes >= PULL_MAX_BYTES) return;
    this.#outstanding = this.options.pullSize;
    this.#heardAtMs = Date.now();
    // A single message that is larger than the pull would never come.
    const maxBytes = Math.max(PULL_MAX_BYTES, 2 * (this.connection.info?.max_payload ?? 0));
    const request = JSON.stringify({
      batch: this.options.pullSize,
      expires: PULL_EXPIRES_MS * 1e6,
      max_bytes: maxBytes,
      idle_heartbeat: HEARTBEAT_MS * 1e6,
    });
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.options.stream}.${this.options.consumer}`;
    try {
      this.connection.publish(subject, request, { reply: this.#inbox });
    } catch {
      // The connection is closed or draining: nothing was sent.
      this.#break('disconnected');
    }
  }

  #receive(message: Msg): void {
    if (this.#broken !== undefined) return;
    this.#heardAtMs = Date.now();
    const ackSubject = message.reply;
    if (ackSubject === undefined || !ackSubject.startsWith('$JS.ACK.')) return this.#onStatus(message);
    const { sequence, deliverySequence, storedAtMs, pending } = parseAckSubject(ackSubject);
    if (deliverySequence !== this.#deliverySequence + 1) return this.#break('gap_in_delivery');
    this.#deliverySequence = deliverySequence;
    this.#pending = pending;
    this.#outstanding -= 1;
    if (sequence > this.#lastSequence) {
      this.#lastSequence = sequence;
      this.#bufferedBytes += message.data.length;
      const { subject, data } = message;
      this.#buffer.push({ subject, data, ...readHeaders(message), sequence, storedAtMs, ackSubject });
    }
    if (this.#outstanding === 0) this.#pull();
    this.#wake?.();
  }

  /**
   * A pull's end: 404 and 408 mean that it ran out, one kind of 409 that it is full by bytes; everything else, "no
   * responders" included, ends the feed.
   */
  #onStatus(message: Msg): void {
    const code = message.headers?.code ?? 0;
    if (code === 100) return;
    this.#outstanding = 0;
    const full = code === 409 && message.headers?.description.toLowerCase() === FULL_BY_BYTES;
    if (code === 404 || code === 408 || full) this.#pull();
    else this.#break('consumer_gone');
  }

  #break(reason: FeedBreak): void {
    if (this.#broken !== undefined) return;
    this.#broken = reason;
    this.#buffer.length = 0;
    this.#bufferedBytes = 0;
    this.#unwatch();
    this.#subscription.unsubscribe();
    this.#wake?.();
  }
}

/** Deletes a consumer; one that is not there is fine. */
async function deleteConsumer(manager: JetStreamManager, stream: string, consumer: string): Promise<void> {
  try {
    await manager.consumers.delete(stream, consumer);
  } catch (error) {
    if (!(error instanceof NatsError && error.api_error?.err_code === CONSUMER_NOT_FOUND)) throw error;
  }
}
