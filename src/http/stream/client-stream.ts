import type { ServerResponse } from 'node:http';
import { SECURITY_HEADERS } from '../network-face.js';

export interface ClientStreamOptions {
  /** A comment is sent so often, so that nobody between takes the connection for dead. */
  readonly heartbeatIntervalMs: number;
  /** A client that does not read for so long is cut off. */
  readonly slowClientTimeoutMs: number;
  /** How long a client is asked to wait before it connects again. */
  readonly retryMs: number;
}

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  // no-transform: something between that compresses would hold events back.
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
  // Once the stream has ended nothing else keeps the connection, or a stop of the service, waiting.
  connection: 'close',
  ...SECURITY_HEADERS,
} as const;

/** The longest time that a timer takes. */
const MAX_TIMER_MS = 2_147_483_647;

/** A server-sent event as it goes over the wire. JSON has no line breaks, so data is one line. */
export function frame(event: string, json: string, id?: string): Buffer {
  return Buffer.from(`event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${json}\n\n`);
}

const HEARTBEAT = Buffer.from(': heartbeat\n\n');

/**
 * One client's connection. While the client does not read as fast as states come, only the last one waits for it: what
 * is kept for a client is what its socket holds and one frame, which all clients share.
 */
export class ClientStream {
  #waiting: Buffer | undefined;
  #blockedSinceMs: number | undefined;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #expiry: NodeJS.Timeout;

  /**
   * @param lifetimeMs the stream ends after it; 24 days at most
   * @param onEnd called once, however the stream ends
   */
  constructor(
    private readonly response: ServerResponse,
    private readonly options: ClientStreamOptions,
    lifetimeMs: number,
    onEnd: () => void,
  ) {
    response.writeHead(200, HEADERS);
    response.on('drain', () => this.#drained());
    response.once('close', () => {
      clearInterval(this.#heartbeat);
      clearTimeout(this.#expiry);
      onEnd();
    });
    // Whoever has gone away shows as `close`; without a listener an error would end the process.
    response.on('error', () => undefined);
    this.#heartbeat = setInterval(() => this.#beat(), options.heartbeatIntervalMs);
    this.#expiry = setTimeout(() => this.end(), Math.min(Math.max(0, lifetimeMs), MAX_TIMER_MS));
    this.#write(Buffer.from(`retry: ${options.retryMs}\n\n`));
  }

  /** Sends a frame, or keeps it until the client has read what it was sent; a newer one then takes its place. */
  send(bytes: Buffer): void {
    if (this.#blockedSinceMs === undefined) this.#write(bytes);
    else this.#waiting = bytes;
  }

  /** Ends the stream. A client that is not reading is cut off. */
  end(): void {
    if (this.#blockedSinceMs === undefined) this.response.end();
    else this.response.destroy();
  }

  #write(bytes: Buffer): void {
    if (!this.response.writable) return;
    if (!this.response.write(bytes)) this.#blockedSinceMs = performance.now();
  }

  #drained(): void {
    this.#blockedSinceMs = undefined;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) this.#write(waiting);
  }

  /** Looks after a client that does not read; the heartbeat itself is for those that do. */
  #beat(): void {
    if (this.#blockedSinceMs === undefined) this.#write(HEARTBEAT);
    else if (performance.now() - this.#blockedSinceMs >= this.options.slowClientTimeoutMs) this.response.destroy();
  }
}
