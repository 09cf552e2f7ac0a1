import { pino } from 'pino';
import { type RunningApp, startApp } from '../../src/app.js';
import { signToken, TOKEN_DEFAULTS, type TokenRequest } from '../../src/cli/token.js';
import { type Environment, loadConfig } from '../../src/config.js';
import type { ManagedServer } from '../../src/devservices/index.js';
import { AnswerChecker } from './answer-checker.js';
import { startTestNats, startTestRedis, type TestDatabase, testDatabase } from './servers.js';

/** One that production takes, too: the image is tried as it runs there. */
export const TEST_SECRET = 'b2hX9vQ4mZ7tR1cK6wJ3pY8nF5sL0gDa';

/** Servers of this test's own, and the environment that leads the service to them. */
export interface TestServers {
  readonly nats: ManagedServer;
  readonly redis: ManagedServer;
  readonly database: TestDatabase;
  readonly env: Environment;
  stop(): Promise<void>;
}

/** Starts NATS, unless one is given, and Redis, and makes a database, in a Postgres that is given or that all share. `env` is added to what leads the service to them. */
export async function startTestServers(
  options: { readonly nats?: ManagedServer; readonly postgres?: ManagedServer; readonly env?: Environment } = {},
): Promise<TestServers> {
  const [nats, redis, database] = await Promise.all([
    options.nats ?? startTestNats(),
    startTestRedis(),
    testDatabase(options.postgres === undefined ? {} : { server: options.postgres }),
  ]);
  return {
    nats,
    redis,
    database,
    env: {
      HOST: '127.0.0.1',
      PORT: '0',
      LOG_LEVEL: process.env.METRICS_TEST_LOG_LEVEL ?? 'ERROR',
      NATS_URL: nats.url,
      DATABASE_URL: database.url,
      REDIS_HOST: '127.0.0.1',
      REDIS_PORT: String(redis.port),
      JWT_SECRET: TEST_SECRET,
      ...options.env,
    },
    stop: async () => {
      await Promise.all([nats.stop(), redis.stop(), database.drop()]);
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON. @throws where it is none */
  json(): unknown;
}

let checker: AnswerChecker | undefined;

/** A client of the service's HTTP face. An answer that is not as /openapi.json says fails the test. */
export class TestClient {
  constructor(
    readonly url: string,
    readonly token: string,
  ) {}

  static async of(port: number, request: Partial<TokenRequest> = {}): Promise<TestClient> {
    return new TestClient(`http://127.0.0.1:${port}`, await signToken(TEST_SECRET, { ...TOKEN_DEFAULTS, ...request }));
  }

  /** Sends a request with the token; `headers` win over the usual ones. */
  async send(
    method: string,
    path: string,
    body?: NonNullable<RequestInit['body']>,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      headers: { authorization: `Bearer ${this.token}`, ...headers },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    checker ??= new AnswerChecker();
    checker.check(method, path, { status: response.status, headers: response.headers, text });
    return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) };
  }

  get(path: string): Promise<Answer> {
    return this.send('GET', path);
  }

  post(path: string, body: unknown, contentType = 'application/json'): Promise<Answer> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return this.send('POST', path, text, { 'content-type': contentType });
  }
}

export interface TestService {
  readonly servers: TestServers;
  readonly app: RunningApp;
  readonly client: TestClient;
  stop(): Promise<void>;
}

/** Runs the whole service in this process against servers of its own. */
export async function startTestService(env: Environment = {}): Promise<TestService> {
  const servers = await startTestServers();
  const app = await startApp(loadConfig({ ...servers.env, ...env }), pino({ level: 'error' }));
  return {
    servers,
    app,
    client: await TestClient.of(app.port),
    stop: async () => {
      await app.stop();
      await servers.stop();
    },
  };
}
