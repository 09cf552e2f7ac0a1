import { randomUUID } from 'node:crypto';
import { type JWTPayload, SignJWT } from 'jose';
import { connect, headers, type JetStreamClient, type NatsConnection, type PubAck } from 'nats';
import type { Pool } from 'pg';
import { testPool } from '../../support/database.js';
import { KeySetServer } from '../../support/key-set-server.js';
import { NatsTap } from '../../support/nats-tap.js';
import { waitFor } from '../../support/servers.js';
import { type Answer, startTestServers, TestClient, type TestServers } from '../../support/service.js';
import { ServiceProcess } from '../../support/service-process.js';

export const ISSUER = 'https://issuer.example';
export const AUDIENCE = 'metrics';
/** Seconds; `slow` requests are told so and cut off after them. */
const TIMEOUTS = { HTTP_HEADERS_TIMEOUT: '2', HTTP_REQUEST_TIMEOUT: '4' };
const BOUND_MS = 60_000;

export type Way = 'http' | 'nats';

/** A message straight to NATS. */
export interface Message {
  readonly subject: string;
  readonly payload: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The service as a process, between an issuer of tokens and a NATS server that is listened in on. */
export class BadInputStage {
  /** Ids that have to be in the tables, each once, and what sent them. */
  readonly #expected = new Map<string, string>();
  #messages = 0;

  private constructor(
    private readonly servers: TestServers,
    readonly issuer: KeySetServer,
    readonly tap: NatsTap,
    readonly service: ServiceProcess,
    readonly client: TestClient,
    private readonly connection: NatsConnection,
    private readonly jetstream: JetStreamClient,
    readonly pool: Pool,
  ) {}

  static async open(): Promise<BadInputStage> {
    const [servers, issuer] = await Promise.all([startTestServers(), KeySetServer.open()]);
    const tap = await NatsTap.open(servers.nats.port);
    const service = await ServiceProcess.create({
      ...servers.env,
      ...TIMEOUTS,
      NATS_URL: tap.url,
      JWT_SECRET: '',
      JWT_JWKS_URL: issuer.url,
      JWT_ALGORITHM: 'ES256',
      JWT_ISSUER: ISSUER,
      JWT_AUDIENCE: AUDIENCE,
      JWT_ENFORCE_SCOPES: 'true',
    });
    await service.start();
    const token = await tokenOf(issuer);
    const connection = await connect({ servers: servers.nats.url });
    const client = new TestClient(`http://127.0.0.1:${service.port}`, token);
    const pool = testPool(servers.database.url, 1);
    return new BadInputStage(servers, issuer, tap, service, client, connection, connection.jetstream(), pool);
  }

  get natsUrl(): string {
    return this.servers.nats.url;
  }

  async close(): Promise<void> {
    await this.service.end('SIGTERM');
    await this.connection.close();
    await this.pool.end();
    this.tap.close();
    this.issuer.close();
    await this.servers.stop();
  }

  /** Does something bad between two valid events, which go the same way. @param label names it */
  async between<T>(way: Way, label: string, bad: () => Promise<T>): Promise<T> {
    await this.#sendNeighbour(way, `before ${label}`);
    const result = await bad();
    await this.#sendNeighbour(way, `behind ${label}`);
    return result;
  }

  /** Enters into the book what has to be stored. */
  expect(id: string, label: string): void {
    if (this.#expected.has(id)) throw new Error(`${id} was entered before`);
    this.#expected.set(id, label);
  }

  /** Notes messages that come into the log beside the neighbours. */
  countMessages(count: number): void {
    this.#messages += count;
  }

  /** Publishes a message and waits for its PubAck. */
  async publish({ subject, payload, headers: given = {} }: Message): Promise<PubAck> {
    const described = headers();
    for (const [name, value] of Object.entries(given)) described.set(name, value);
    const ack = await this.jetstream.publish(subject, payload, { headers: described });
    if (!ack.duplicate) this.#messages += 1;
    return ack;
  }

  async #sendNeighbour(way: Way, label: string): Promise<void> {
    const id = randomUUID();
    this.expect(id, label);
    const event = { event_type: 'neighbour', user_id: 1, metadata: { note: 'ok' }, id };
    if (way === 'nats') {
      await this.publish({ subject: 'metrics.events.user.neighbour', payload: JSON.stringify(event) });
      return;
    }
    const answer = await this.client.post('/metrics/events', event);
    if (answer.status !== 202) throw new Error(`${label}: ${answer.status} ${answer.text}`);
    this.#messages += 1;
  }

  /** What the log, the tables and the book say at the end; each list is empty where all is well. */
  async audit(): Promise<{ readonly missing: string[]; readonly foreign: string[]; readonly unexpected: number }> {
    const sequence = await this.projected();
    const { rows } = await this.pool.query<{ event_id: string; count: number }>(
      `select event_id, count(*)::int
       from (select event_id from user_events
             union all select event_id from system_metrics
             union all select event_id from api_metrics) as events
       group by event_id`,
    );
    const counts = new Map(rows.map(({ event_id: id, count }) => [id, count]));
    const missing = [...this.#expected].flatMap(([id, label]) =>
      counts.get(id) === 1 ? [] : [`${label}: ${counts.get(id) ?? 0} times`],
    );
    return {
      missing,
      foreign: [...counts.keys()].filter((id) => !this.#expected.has(id)),
      unexpected: sequence - this.#messages,
    };
  }

  /** Waits until the projector has reached the end of the log, and answers its sequence. */
  async projected(): Promise<number> {
    const manager = await this.connection.jetstreamManager();
    const wanted = (await manager.streams.info('METRICS')).state.last_seq;
    await waitFor(
      `the projection of ${wanted}`,
      async () => {
        const { rows } = await this.pool.query<{ sequence: string }>(
          `select sequence from projection_checkpoints where name = 'tables'`,
        );
        return Number(rows[0]?.sequence ?? 0) >= wanted ? true : undefined;
      },
      BOUND_MS,
    );
    return wanted;
  }

  /** A request without the stage's own token. */
  sendAs(authorization: string, method: string, path: string, body?: string): Promise<Answer> {
    return this.client.send(method, path, body, { authorization, 'content-type': 'application/json' });
  }
}

/** A token that is good but for what is changed: claims, key, and header. */
export function tokenOf(
  issuer: KeySetServer,
  claims: JWTPayload = {},
  key: Parameters<SignJWT['sign']>[0] = issuer.privateKey,
  header: { readonly alg: string; readonly kid?: string } = { alg: 'ES256', kid: 'k1' },
): Promise<string> {
  const all = { sub: 'tester', scope: 'metrics:read metrics:write', iss: ISSUER, aud: AUDIENCE, exp: inSeconds(3_600) };
  return new SignJWT({ ...all, ...claims }).setProtectedHeader(header).sign(key);
}

/** In seconds since 1970. */
export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}
