import { readFileSync } from 'node:fs';
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  Events,
  type NatsConnection,
  NatsError,
  nkeyAuthenticator,
} from 'nats';
import { keepInboxPrefix } from './inbox.js';

/** Handed on, so that other rooms name the client's types without naming the client. */
export type { JetStreamManager, NatsConnection, StreamInfo } from 'nats';

export interface NatsSettings {
  readonly servers: readonly string[];
  readonly credsFile?: string;
  /** A file with the seed of a user's nkey. */
  readonly nkeyFile?: string;
  readonly token?: string;
  /** Where it is there, a server that offers no TLS, or shows a certificate of somebody else, is refused. Files in PEM. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
  readonly inboxPrefix?: string;
}

/** Two unanswered pings end a half-open connection, so it is noticed after at most three intervals. */
const PING_INTERVAL_MS = 5_000;
const MAX_PINGS_OUT = 2;
const CONNECT_TIMEOUT_MS = 5_000;
const RECONNECT_WAIT_MS = 250;

/**
 * Connects to NATS and keeps the connection for the life of the process: it reconnects without end.
 *
 * @throws where no server answers within the connect timeout
 */
export async function connectNats(settings: NatsSettings, name: string): Promise<NatsConnection> {
  const options: ConnectionOptions = {
    name,
    servers: settings.servers.map(hostAndPort),
    ...credentials(settings),
    // The client takes `tls://` for a mere address, and goes on in the clear where a server, or who stands before it, offers no TLS.
    ...(settings.tls === undefined ? {} : { tls: { ...settings.tls } }),
    ...(settings.inboxPrefix === undefined ? {} : { inboxPrefix: settings.inboxPrefix }),
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    reconnectJitter: RECONNECT_WAIT_MS,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: MAX_PINGS_OUT,
    timeout: CONNECT_TIMEOUT_MS,
  };
  const connection = await connect(options);
  if (settings.inboxPrefix !== undefined) keepInboxPrefix(connection, settings.inboxPrefix);
  return connection;
}

/** Whether NATS, or JetStream, did not do what it was asked to: it is away, or refuses. */
export function isNatsTrouble(error: unknown): boolean {
  return error instanceof NatsError;
}

const NO_SUITABLE_PEERS = 10005;
const UNAVAILABLE = 503;

/** Whether the same may succeed in a moment: nobody answered, or a cluster has no leader, or too few servers, yet. */
export function isMomentary(error: unknown): boolean {
  if (!(error instanceof NatsError)) return false;
  const { api_error: refusal } = error;
  return refusal === undefined || refusal.code === UNAVAILABLE || refusal.err_code === NO_SUITABLE_PEERS;
}

/** User, password or token may stand in the URL; the client wants them apart. */
function credentials(settings: NatsSettings): Partial<ConnectionOptions> {
  const { credsFile, nkeyFile } = settings;
  // Read at each dial: a key may be changed while the service runs.
  if (credsFile !== undefined) return { authenticator: credsAuthenticator(() => readFileSync(credsFile)) };
  if (nkeyFile !== undefined) return { authenticator: nkeyAuthenticator(() => readSeed(nkeyFile)) };
  if (settings.token !== undefined) return { token: settings.token };
  const first = settings.servers.map((server) => new URL(withScheme(server))).find((url) => url.username !== '');
  if (first === undefined) return {};
  const user = decodeURIComponent(first.username);
  return first.password === '' ? { token: user } : { user, pass: decodeURIComponent(first.password) };
}

/** The client takes a seed without the line break that editors put behind it. */
function readSeed(file: string): Uint8Array {
  return Buffer.from(readFileSync(file, 'utf8').trim());
}

function hostAndPort(server: string): string {
  const url = new URL(withScheme(server));
  return `${url.protocol}//${url.hostname}:${url.port === '' ? '4222' : url.port}`;
}

function withScheme(server: string): string {
  return server.includes('://') ? server : `nats://${server}`;
}

/** Whether the connection is up, and who wants to know when that changes. */
export class ConnectionWatch {
  #connected = true;
  readonly #listeners = new Set<(connected: boolean) => void>();

  constructor(connection: NatsConnection) {
    void this.#watch(connection);
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Calls back at each change; returns the way to stop that. */
  onChange(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Waits until the connection is up, or the signal is aborted. A call to a server that is away is dropped by the client
   * when it comes back, and would be waited for until its timeout.
   */
  whenConnected(signal: AbortSignal): Promise<void> {
    if (this.#connected || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        unwatch();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const unwatch = this.onChange(end);
      signal.addEventListener('abort', end, { once: true });
    });
  }

  /** The iterator ends when the connection is closed for good. */
  async #watch(connection: NatsConnection): Promise<void> {
    for await (const { type } of connection.status()) {
      if (type === Events.Disconnect) this.#set(false);
      if (type === Events.Reconnect) this.#set(true);
    }
    this.#set(false);
  }

  #set(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    for (const listener of this.#listeners) listener(connected);
  }
}
