import { type ConnectionOptions, connect, DebugEvents, type NatsConnection } from 'nats';
import type { Link, LinkListener } from './link.js';
import { releaseProcess } from './release-process.js';

export interface OwnLinkOptions {
  /** `nats://host:4222`; user and password, or a token, may stand in it. */
  readonly servers: readonly string[];
  /** The connection's name, for whoever looks at the server. */
  readonly name: string;
  /** What else the client of NATS takes: credentials, TLS. */
  readonly connect: Partial<ConnectionOptions>;
}

const CONNECT_TIMEOUT_MS = 5_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2_000;
/** Two unanswered pings end a half-open connection. */
const PING_INTERVAL_MS = 5_000;
const MAX_PINGS_OUT = 2;

/**
 * Connects, and connects again whenever the connection is lost, until it is closed: also where no server answers at the
 * start, or one refuses the credentials for a while, which end the NATS client's own attempts. While it waits it does not keep the
 * process alive.
 */
export function openLink(options: OwnLinkOptions, listener: LinkListener): Link {
  return new OwnLink(options, listener);
}

class OwnLink implements Link {
  #connection: NatsConnection | undefined;
  #isClosed = false;
  #endPause: () => void = () => undefined;

  constructor(
    private readonly options: OwnLinkOptions,
    private readonly listener: LinkListener,
  ) {
    void this.#run();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#endPause();
    await this.#connection?.close();
  }

  async #run(): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; !this.#isClosed; pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 2)) {
      const connection = await this.#connect();
      if (connection !== undefined) {
        pauseMs = FIRST_PAUSE_MS;
        await this.#use(connection);
      }
      // Processes that lost the same server do not come back at the same moment.
      await this.#pause(pauseMs * (0.5 + Math.random() / 2));
    }
  }

  async #connect(): Promise<NatsConnection | undefined> {
    try {
      return await connect({
        timeout: CONNECT_TIMEOUT_MS,
        pingInterval: PING_INTERVAL_MS,
        maxPingOut: MAX_PINGS_OUT,
        ...credentials(this.options.servers),
        // The client of NATS takes `tls://` for a mere address, and goes on in the clear where no TLS is offered.
        ...(this.options.servers.some((server) => server.startsWith('tls:')) ? { tls: {} } : {}),
        ...this.options.connect,
        name: this.options.name,
        servers: this.options.servers.map(hostAndPort),
        reconnect: false,
      });
    } catch {
      return undefined; // Tried again; `stats().trouble` says `disconnected` meanwhile.
    }
  }

  /** Hands the connection out until it is gone. */
  async #use(connection: NatsConnection): Promise<void> {
    this.#connection = connection;
    if (this.#isClosed) return await connection.close();
    void keepReleased(connection);
    this.listener.onUp(connection);
    await connection.closed();
    this.#connection = undefined;
    this.listener.onDown();
  }

  #pause(pauseMs: number): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, pauseMs).unref();
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** The NATS client starts a timer with every ping; the iterator ends with the connection. */
async function keepReleased(connection: NatsConnection): Promise<void> {
  releaseProcess(connection);
  for await (const { type } of connection.status()) if (type === DebugEvents.PingTimer) releaseProcess(connection);
}

/**
 * Looks at an address before it is used. It is not told, since a password may stand in it.
 *
 * @throws TypeError
 */
export function checkServer(server: string): void {
  try {
    credentials([server]);
  } catch {
    throw new TypeError('servers has something that is no address, or a user or password that is not percent-encoded');
  }
}

/** User, password or token may stand in the address; the NATS client wants them apart. */
function credentials(servers: readonly string[]): Partial<ConnectionOptions> {
  const first = servers.map(toUrl).find(({ username }) => username !== '');
  if (first === undefined) return {};
  const user = decodeURIComponent(first.username);
  return first.password === '' ? { token: user } : { user, pass: decodeURIComponent(first.password) };
}

function hostAndPort(server: string): string {
  const { protocol, hostname, port } = toUrl(server);
  return `${protocol}//${hostname}:${port === '' ? '4222' : port}`;
}

/** @throws TypeError where it is no address */
function toUrl(server: string): URL {
  return new URL(server.includes('://') ? server : `nats://${server}`);
}
