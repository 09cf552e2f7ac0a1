import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Stands between a client and a NATS server, and keeps what the client has written. For tests that write little. */
export class NatsTap {
  readonly #written: Buffer[] = [];
  readonly #sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  /** @param port of the NATS server on this machine */
  static async open(port: number): Promise<NatsTap> {
    const server = createServer();
    const tap = new NatsTap(server);
    server.on('connection', (client) => tap.#join(client, connect(port, '127.0.0.1')));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return tap;
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Every byte that clients have written, as Latin-1 text. */
  get written(): string {
    return Buffer.concat(this.#written).toString('latin1');
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.server.close();
  }

  #join(client: Socket, upstream: Socket): void {
    client.on('data', (bytes: Buffer) => this.#written.push(bytes));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(one);
      one.pipe(other);
      // Whoever goes away takes the other side along.
      one.on('error', () => undefined).on('close', () => other.destroy());
    }
  }
}
