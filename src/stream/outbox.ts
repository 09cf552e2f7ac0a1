import { type MsgHdrs, MsgHdrsImpl, type NatsConnection } from 'nats';

/** A message on its way out. */
export interface Outgoing {
  /** Comes back with the acknowledgement. */
  readonly token: number;
  readonly subject: string;
  readonly payload: Uint8Array;
  /** Goes into `Nats-Msg-Id`, without line breaks; or the headers with all that there is to say. */
  readonly headers: string | MsgHdrs | undefined;
}

/**
 * One header, written in one piece: by the client's own way that takes longer than all else that a publish does. The
 * client writes a message's headers out before `publish` returns, so that one of these is enough.
 */
class IdHeader extends MsgHdrsImpl {
  id = '';

  override encode(): Uint8Array {
    return Buffer.from(`NATS/1.0\r\nNats-Msg-Id: ${this.id}\r\n\r\n`);
  }
}

/**
 * Hands messages to the client at the end of the turn of the event loop in which they came, all at once. The client
 * writes to its socket when the code that published is done, so requests that come together, each over a connection of its
 * own, would cost a write each; and a write costs more than all else that is done for an event.
 */
export class Outbox {
  readonly #idHeader = new IdHeader();
  #waiting: Outgoing[] = [];

  constructor(
    private readonly connection: Pick<NatsConnection, 'publish'>,
    private readonly inbox: string,
    /** Called where the client refuses a message, before anything is written. */
    private readonly refused: (token: number) => void,
  ) {}

  add(message: Outgoing): void {
    if (this.#waiting.push(message) === 1) setImmediate(() => this.#send());
  }

  /** Forgets what has not been handed to the client. */
  clear(): void {
    this.#waiting = [];
  }

  #send(): void {
    const messages = this.#waiting;
    this.#waiting = [];
    for (const { token, subject, payload, headers } of messages) {
      const reply = `${this.inbox}.${token.toString(36)}`;
      try {
        if (headers === undefined) this.connection.publish(subject, payload, { reply });
        else this.connection.publish(subject, payload, { reply, headers: this.#encodable(headers) });
      } catch {
        this.refused(token);
      }
    }
  }

  #encodable(headers: string | MsgHdrs): MsgHdrs {
    if (typeof headers !== 'string') return headers;
    this.#idHeader.id = headers;
    return this.#idHeader;
  }
}
