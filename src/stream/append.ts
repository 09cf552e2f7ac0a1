import type { Msg, MsgHdrs, NatsConnection, Subscription } from 'nats';
import { type AppendResult, readAck, type Unavailable, unavailable } from './append-result.js';
import type { ConnectionWatch } from './connection.js';
import { newInbox } from './inbox.js';
import { Outbox } from './outbox.js';

export { type AppendResult, type Stored, UNAVAILABLE_REASONS, type Unavailable } from './append-result.js';

/** One event as it goes onto the wire. */
export interface AppendRequest {
  /** Goes into `Nats-Msg-Id`. */
  readonly id: string;
  readonly subject: string;
  readonly payload: Uint8Array;
  /** Further headers; they become the message's own and get the id added. */
  readonly headers?: MsgHdrs;
}

/** One whose repeats JetStream is to take: what reads the stream knows them. */
export type RepeatableRequest = Omit<AppendRequest, 'id'> & { readonly id?: undefined };

export type AppendAllResult =
  | { readonly kind: 'stored'; readonly accepted: number; readonly duplicates: number }
  | Unavailable;

export interface AppenderOptions {
  readonly maxInFlight: number;
  readonly maxInFlightBytes: number;
  readonly ackTimeoutMs: number;
}

export const APPENDER_DEFAULTS: AppenderOptions = {
  maxInFlight: 8_192,
  maxInFlightBytes: 64 * 1024 * 1024,
  ackTimeoutMs: 5_000,
};

interface Waiting {
  readonly settle: (result: AppendResult) => void;
  readonly bytes: number;
  readonly deadlineMs: number;
}

const SWEEP_INTERVAL_MS = 250;
const LINE_BREAK = /[\r\n]/;

/**
 * The one way into the log. A single subscription to one reply inbox matches JetStream's acknowledgements to waiting
 * calls, which is about five times as fast as a request for each message.
 *
 * Bounded in messages and bytes in flight: past that it answers `too_many_in_flight` at once rather than queue.
 * While the connection is down nothing is published, because the client would buffer it and might drop it.
 */
export class Appender {
  readonly #inbox: string;
  readonly #waiting = new Map<number, Waiting>();
  readonly #slotListeners: (() => void)[] = [];
  readonly #outbox: Outbox;
  readonly #subscription: Subscription;
  readonly #sweeper: NodeJS.Timeout;
  readonly #unwatch: () => void;
  #bytesInFlight = 0;
  #nextToken = 0;
  #closed = false;

  constructor(
    connection: NatsConnection,
    private readonly watch: ConnectionWatch,
    private readonly options: AppenderOptions = APPENDER_DEFAULTS,
    /** Told of each outcome, for counting. */
    private readonly observe: (result: AppendResult) => void = () => undefined,
  ) {
    this.#inbox = newInbox(connection);
    // A connection that is closed or draining refuses.
    this.#outbox = new Outbox(connection, this.#inbox, (token) => this.#settle(token, unavailable('disconnected')));
    this.#subscription = connection.subscribe(`${this.#inbox}.*`, {
      callback: (_error, message) => this.#onAck(message),
    });
    this.#sweeper = setInterval(() => this.#expire(Date.now()), SWEEP_INTERVAL_MS);
    this.#unwatch = watch.onChange((connected) => {
      if (!connected) this.#failAll('disconnected');
    });
  }

  get inFlight(): number {
    return this.#waiting.size;
  }

  /**
   * Appends one message and resolves with JetStream's answer; it rejects only where the id can be no header.
   *
   * @param id goes into `Nats-Msg-Id`; JetStream drops a repeat within the deduplication window
   */
  append(subject: string, payload: Uint8Array, id: string, headers?: MsgHdrs): Promise<AppendResult> {
    const request = headers === undefined ? { subject, payload, id } : { subject, payload, id, headers };
    return new Promise((resolve) =>
      this.#send(request, (result) => {
        this.observe(result);
        resolve(result);
      }),
    );
  }

  /**
   * Appends messages in their order and resolves when all are acknowledged, or with the first failure: then some may
   * be stored, and sending all again with the same ids is safe. Takes at most half of the places in flight, so that
   * single appends go on beside it.
   */
  async appendAll(requests: readonly (AppendRequest | RepeatableRequest)[]): Promise<AppendAllResult> {
    const limit = Math.max(1, Math.floor(this.options.maxInFlight / 2));
    const state: { outstanding: number; duplicates: number; failure: Unavailable | undefined; settled?: () => void } = {
      outstanding: 0,
      duplicates: 0,
      failure: undefined,
    };
    const settle = (result: AppendResult): void => {
      state.outstanding -= 1;
      this.observe(result);
      if (result.kind === 'unavailable') state.failure ??= result;
      else if (result.duplicate) state.duplicates += 1;
      if (state.outstanding === 0) state.settled?.();
    };
    for (const request of requests) {
      // Where nothing is in flight there is nothing to wait for: what is too large by itself is refused by `#send`.
      while (state.failure === undefined && this.inFlight > 0 && this.#isFull(limit, request.payload.length)) {
        await this.#slotFreed();
      }
      if (state.failure !== undefined) break;
      state.outstanding += 1;
      this.#send(request, settle);
    }
    // One promise for all, where each batch that waits would be woken by each acknowledgement.
    if (state.outstanding > 0) {
      await new Promise<void>((resolve) => {
        state.settled = resolve;
      });
    }
    if (state.failure !== undefined) return state.failure;
    return { kind: 'stored', accepted: requests.length - state.duplicates, duplicates: state.duplicates };
  }

  /** Answers what still waits with `no_acknowledgement` and stops the timer. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#sweeper);
    this.#unwatch();
    this.#subscription.unsubscribe();
    this.#failAll('no_acknowledgement');
  }

  #isFull(limit: number, bytes: number): boolean {
    return this.#waiting.size >= limit || this.#bytesInFlight + bytes > this.options.maxInFlightBytes;
  }

  /** Resolves when some message in flight has been settled; there is one whenever this is called. */
  #slotFreed(): Promise<void> {
    if (this.#waiting.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#slotListeners.push(resolve));
  }

  #send(request: AppendRequest | RepeatableRequest, settle: (result: AppendResult) => void): void {
    if (this.#closed || !this.watch.connected) return settle(unavailable('disconnected'));
    const bytes = request.payload.length;
    if (this.#isFull(this.options.maxInFlight, bytes)) return settle(unavailable('too_many_in_flight'));
    const headers = headersOf(request);
    const token = this.#nextToken;
    this.#nextToken += 1;
    this.#waiting.set(token, { settle, bytes, deadlineMs: Date.now() + this.options.ackTimeoutMs });
    this.#bytesInFlight += bytes;
    this.#outbox.add({ token, subject: request.subject, payload: request.payload, headers });
  }

  #onAck(message: Msg): void {
    const token = Number.parseInt(message.subject.slice(this.#inbox.length + 1), 36);
    this.#settle(token, readAck(message));
  }

  #settle(token: number, result: AppendResult): void {
    const waiting = this.#waiting.get(token);
    // An acknowledgement that comes after its deadline finds nobody.
    if (waiting === undefined) return;
    this.#waiting.delete(token);
    this.#bytesInFlight -= waiting.bytes;
    waiting.settle(result);
    if (this.#slotListeners.length > 0) for (const resolve of this.#slotListeners.splice(0)) resolve();
  }

  /** A Map keeps the order of insertion and all deadlines are equally far, so the first that is not due ends the walk. */
  #expire(nowMs: number): void {
    for (const [token, { deadlineMs }] of this.#waiting) {
      if (deadlineMs > nowMs) return;
      this.#settle(token, unavailable('no_acknowledgement'));
    }
  }

  #failAll(reason: Unavailable['reason']): void {
    // Or the client would keep it, and might send it after its sender has been told that it was not stored.
    this.#outbox.clear();
    for (const token of [...this.#waiting.keys()]) this.#settle(token, unavailable(reason));
  }
}

/** @throws where the id can be no header */
function headersOf({ id, headers }: AppendRequest | RepeatableRequest): string | MsgHdrs | undefined {
  if (id === undefined) return headers;
  if (headers !== undefined) {
    headers.set('Nats-Msg-Id', id);
    return headers;
  }
  if (LINE_BREAK.test(id)) throw new Error('An id with a line break cannot be a header');
  return id;
}
