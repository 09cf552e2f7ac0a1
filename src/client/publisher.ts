import { randomUUID } from 'node:crypto';
import type { ConnectionOptions, NatsConnection } from 'nats';
import { type DropNotice, type DropReason, DropReporter, type SendTrouble, warnOfDrops } from './drop-reporter.js';
import { type Entry, EventBuffer, type WhenFull } from './event-buffer.js';
import { type ApiEvent, type ClientEvent, encodeEvent, isToken, type SystemEvent, type UserEvent } from './events.js';
import { beforeEnd } from './exit-hooks.js';
import { Flushes } from './flushes.js';
import { followConnection, type Link, type LinkListener } from './link.js';
import { checkServer, openLink } from './own-link.js';
import { Sender } from './sender.js';
import { MAX_TIMER_MS } from './timers.js';

/** Either `servers` or `connection` is needed; every other option has a default. */
export interface PublisherOptions {
  /** The name that events carry as `service_name` unless they have their own. */
  readonly service: string;
  /** Addresses of NATS: the publisher makes a connection of its own, and keeps it up. */
  readonly servers?: string | readonly string[] | undefined;
  /** What else the NATS client takes for that connection: credentials, TLS. */
  readonly connect?: Partial<ConnectionOptions> | undefined;
  /** A connection that the program has already; it stays the program's to close. Make it with `maxReconnectAttempts: -1`. */
  readonly connection?: NatsConnection | undefined;
  /** Where acknowledgements are sent, for accounts that may not use `_INBOX`. */
  readonly inboxPrefix?: string | undefined;

  /** Events that are kept while they are not acknowledged. 10,000. */
  readonly maxBufferedEvents?: number | undefined;
  /** 16 MiB. */
  readonly maxBufferedBytes?: number | undefined;
  /** `drop_oldest` unless given. What is on its way is not dropped. */
  readonly whenFull?: WhenFull | undefined;
  /** Told what was dropped, at most once a second. A process warning unless given. */
  readonly onDropped?: ((notice: DropNotice) => void) | undefined;

  /** Events that are written at one go. 256. */
  readonly batchSize?: number | undefined;
  /** How long an event waits for others to come. 50 ms. */
  readonly batchIntervalMs?: number | undefined;
  /** Events that wait for their acknowledgement at one time. 1,024. */
  readonly maxInFlight?: number | undefined;
  /** After that an event is sent again. 5 s. */
  readonly ackTimeoutMs?: number | undefined;

  /** How long `close()` and the end of the process wait for what is in the buffer. 5 s. */
  readonly closeTimeoutMs?: number | undefined;
  /** Flush when the process has nothing left to do. True unless given. */
  readonly flushOnExit?: boolean | undefined;
  /** Flush on these signals, then let the process end by them unless the program listens to them itself. None. */
  readonly flushOnSignals?: readonly NodeJS.Signals[] | undefined;
}

export interface PublisherStats {
  /** Events that are kept, with those in flight. */
  readonly buffered: number;
  readonly inFlight: number;
  /** Events that JetStream has acknowledged. */
  readonly stored: number;
  /** Those of them that it had already, since the first sending had got through. */
  readonly duplicates: number;
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
  /** What keeps events from being stored, where something does. */
  readonly trouble: SendTrouble | undefined;
}

/** What a recorder needs of a publisher. */
export interface ApiEventSink {
  api(event: ApiEvent): boolean;
}

/**
 * Sends events to the service. None of its functions throws, and no promise of it rejects. An event has its id and its time
 * from the moment of the call, and is written down then: what becomes of the object later does not matter.
 */
export interface Publisher extends ApiEventSink {
  /** @returns whether the event was taken in; what was not is counted and told as dropped */
  user(event: UserEvent): boolean;
  system(event: SystemEvent): boolean;
  api(event: ApiEvent): boolean;
  /** Sends what is there. Resolves with whether all of it was stored in time (`closeTimeoutMs` unless told). */
  flush(timeoutMs?: number): Promise<boolean>;
  /** Flushes, drops what is left, and gives its connection up. Resolves with whether all was stored in time. */
  close(timeoutMs?: number): Promise<boolean>;
  stats(): PublisherStats;
}

/**
 * Makes a publisher. It connects in the background, and takes events in from the first moment.
 *
 * @throws TypeError where the options make no sense, which is known at once and not under load
 */
export function createPublisher(options: PublisherOptions): Publisher {
  checkOptions(options);
  const core = new PublisherCore(options);
  return {
    user: (event) => core.publish({ kind: 'user', event }),
    system: (event) => core.publish({ kind: 'system', event }),
    api: (event) => core.publish({ kind: 'api', event }),
    flush: (timeoutMs) => core.flush(timeoutMs),
    close: (timeoutMs) => core.close(timeoutMs),
    stats: () => core.stats(),
  };
}

function checkOptions({ service, servers, connection, flushOnSignals = [], ...numbers }: PublisherOptions): void {
  if (!isToken(service)) throw new TypeError('service must be 1 to 100 letters, digits, _ and -');
  if ((servers === undefined) === (connection === undefined)) {
    throw new TypeError('either servers or connection is needed');
  }
  if (servers !== undefined) {
    if (toList(servers).length === 0) throw new TypeError('servers is empty');
    for (const server of toList(servers)) checkServer(server);
  }
  const deaf = flushOnSignals.find((signal) => signal === 'SIGKILL' || signal === 'SIGSTOP');
  if (deaf !== undefined) throw new TypeError(`flushOnSignals: nobody can listen to ${deaf}`);
  for (const [name, value] of Object.entries(numbers)) {
    if (typeof value === 'number' && !(value > 0)) throw new TypeError(`${name} must be above 0`);
    if (name.endsWith('Ms') && Number(value) > MAX_TIMER_MS)
      throw new TypeError(`${name} must be at most ${MAX_TIMER_MS}`);
  }
}

/** `a:4222,b:4222`, as in `NATS_URL`, or a list. */
function toList(servers: string | readonly string[]): readonly string[] {
  const list = typeof servers === 'string' ? servers.split(',') : servers;
  return list.map((each) => each.trim()).filter((each) => each !== '');
}

class PublisherCore {
  readonly #buffer: EventBuffer;
  readonly #drops: DropReporter;
  readonly #sender: Sender;
  readonly #flushes = new Flushes();
  readonly #link: Link;
  readonly #forgetExit: () => void;
  readonly #closeTimeoutMs: number;
  readonly #encoding: { readonly service: string; readonly newId: () => string; readonly nowMs: () => number };
  #stored = 0;
  #duplicates = 0;
  #closing: Promise<boolean> | undefined;

  constructor(options: PublisherOptions) {
    this.#encoding = { service: options.service, newId: randomUUID, nowMs: Date.now };
    this.#closeTimeoutMs = options.closeTimeoutMs ?? 5_000;
    this.#buffer = new EventBuffer({
      maxEvents: options.maxBufferedEvents ?? 10_000,
      maxBytes: options.maxBufferedBytes ?? 16 * 1024 * 1024,
      whenFull: options.whenFull ?? 'drop_oldest',
    });
    this.#drops = new DropReporter(options.onDropped ?? warnOfDrops, () => this.#sender.trouble);
    this.#sender = this.#makeSender(options);
    this.#link = this.#openLink(options);
    this.#forgetExit = this.#hookExit(options);
  }

  publish(given: ClientEvent): boolean {
    if (this.#closing !== undefined) return this.#refuse('publisher_closed');
    const encoding = encodeEvent(given, this.#encoding);
    if (!encoding.ok) return this.#refuse(encoding.reason, encoding.detail);
    const dropped = this.#buffer.add(encoding.encoded);
    for (const entry of dropped) this.#flushes.settle(entry.number, false);
    this.#drops.count('buffer_full', dropped.length);
    this.#sender.offer();
    return dropped.at(-1)?.number !== this.#buffer.lastNumber;
  }

  flush(timeoutMs = this.#closeTimeoutMs): Promise<boolean> {
    this.#sender.sendSoon();
    return this.#flushes.wait(this.#buffer.lastNumber, this.#buffer.size, timeoutMs);
  }

  close(timeoutMs?: number): Promise<boolean> {
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  stats(): PublisherStats {
    return {
      buffered: this.#buffer.size,
      inFlight: this.#sender.inFlight,
      stored: this.#stored,
      duplicates: this.#duplicates,
      dropped: this.#drops.totals,
      trouble: this.#sender.trouble,
    };
  }

  async #close(timeoutMs?: number): Promise<boolean> {
    const isStored = await this.flush(timeoutMs);
    this.#sender.detach();
    this.#drops.count('not_acknowledged_at_close', this.#buffer.size);
    for (const entry of this.#buffer.take(this.#buffer.size)) this.#settle(entry, false);
    this.#forgetExit();
    await this.#link.close();
    this.#drops.tell();
    return isStored;
  }

  #refuse(reason: DropReason, detail?: string): false {
    this.#drops.count(reason, 1, detail);
    return false;
  }

  #settle(entry: Entry, isStored: boolean): void {
    this.#buffer.settle(entry);
    this.#flushes.settle(entry.number, isStored);
  }

  #makeSender(options: PublisherOptions): Sender {
    const settings = {
      batchSize: options.batchSize ?? 256,
      batchIntervalMs: options.batchIntervalMs ?? 50,
      maxInFlight: options.maxInFlight ?? 1_024,
      ackTimeoutMs: options.ackTimeoutMs ?? 5_000,
      inboxPrefix: options.inboxPrefix,
    };
    return new Sender(this.#buffer, settings, {
      onStored: (entry, duplicate) => {
        this.#stored += 1;
        if (duplicate) this.#duplicates += 1;
        this.#settle(entry, true);
      },
      onTooLarge: (entry) => {
        this.#settle(entry, false);
        this.#refuse('event_too_large', 'is larger than NATS takes (max_payload, or max_msg_size of the stream)');
      },
    });
  }

  #openLink({ servers, connection, connect = {}, service }: PublisherOptions): Link {
    const listener: LinkListener = {
      onUp: (up) => {
        if (this.#closing === undefined || this.#buffer.size > 0) this.#sender.attach(up);
      },
      onDown: () => this.#sender.detach(),
    };
    if (connection !== undefined) return followConnection(connection, listener);
    return openLink({ servers: toList(servers ?? []), name: `metrics-client ${service}`, connect }, listener);
  }

  #hookExit({ flushOnExit = true, flushOnSignals = [] }: PublisherOptions): () => void {
    if (!flushOnExit && flushOnSignals.length === 0) return () => undefined;
    return beforeEnd({
      flush: () => this.flush(),
      close: () => (flushOnExit ? this.close() : Promise.resolve()),
      signals: flushOnSignals,
    });
  }
}
