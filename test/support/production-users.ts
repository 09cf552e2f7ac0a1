import { readFileSync } from 'node:fs';
import { connect as connectPlain } from 'node:net';
import { type ConnectionOptions, connect, Events, type NatsConnection, nkeyAuthenticator } from 'nats';
import type { NatsUser, ProductionServers } from './production-servers.js';
import { waitFor } from './servers.js';

/** What the client of NATS takes to connect as a user of config/nats.conf. */
export function optionsOf({ seedFiles, certificates }: ProductionServers, user: NatsUser): Partial<ConnectionOptions> {
  return {
    authenticator: nkeyAuthenticator(Buffer.from(readFileSync(seedFiles[user], 'utf8').trim())),
    tls: { caFile: certificates.caFile },
    maxReconnectAttempts: 0,
  };
}

/** A user of NATS, and what the server complains of that they do. */
export class TestUser {
  readonly violations: string[] = [];

  private constructor(readonly connection: NatsConnection) {
    void this.#listen();
  }

  static async connect(servers: ProductionServers, user: NatsUser, inboxPrefix: string): Promise<TestUser> {
    const address = `localhost:${servers.nats.port}`;
    return new TestUser(await connect({ ...optionsOf(servers, user), servers: address, inboxPrefix }));
  }

  /** What the server complains of when `work` is done. @throws where it does not */
  async violationOf(work: () => unknown): Promise<string> {
    const before = this.violations.length;
    await work();
    return await waitFor('a complaint of the server', () => this.violations[before], 5_000);
  }

  async #listen(): Promise<void> {
    for await (const { type, permissionContext } of this.connection.status()) {
      if (type !== Events.Error || permissionContext === undefined) continue;
      this.violations.push(`${permissionContext.operation} ${permissionContext.subject}`);
    }
  }
}

/** What a server says to a client that sends its login in the clear, until it hangs up. */
export function speakPlainly(port: number, words: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connectPlain(port, '127.0.0.1', () => socket.write(words));
    socket.on('data', (data: Buffer) => {
      answer += data.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
  });
}
