import type { Redis } from 'ioredis';
import type { ManagedServer } from '../../src/devservices/index.js';
import type { SummaryWorker } from '../../src/projections/summary-worker.js';
import { readPosition } from '../../src/store/summary-position.js';
import { openStore, type TestStore } from './database.js';
import { DirectProjection } from './direct-projection.js';
import { newSummaryWorker, testRedis } from './projection.js';
import { startTestRedis, waitFor } from './servers.js';

interface Context {
  server?: ManagedServer;
  redis?: Redis;
  store?: TestStore;
  projection?: DirectProjection;
  workers: SummaryWorker[];
  connections: Redis[];
}

/** A Redis, a database and summary workers between them, anew for each test. */
export class SummaryHarness {
  readonly #context: Context = { workers: [], connections: [] };

  need<K extends keyof Context>(key: K): NonNullable<Context[K]> {
    const value = this.#context[key];
    if (value === undefined) throw new Error(`${key} is not opened`);
    return value;
  }

  async open(): Promise<void> {
    this.#context.workers = [];
    this.#context.connections = [];
    this.#context.server = await startTestRedis();
    this.#context.store = await openStore();
    this.#context.redis = await this.connect();
    this.#context.projection = await DirectProjection.open(this.#context.store);
  }

  async close(): Promise<void> {
    await Promise.all(this.#context.workers.map((worker) => worker.stop()));
    for (const connection of this.#context.connections) connection.disconnect();
    await this.#context.store?.close();
    await this.#context.server?.stop();
  }

  async connect(commandTimeoutMs = 2_000): Promise<Redis> {
    const redis = testRedis(this.need('server'), 0, commandTimeoutMs);
    this.#context.connections.push(redis);
    await waitFor('Redis', () => (redis.status === 'ready' ? true : undefined));
    return redis;
  }

  /** Starts one more worker. */
  async start(commandTimeoutMs = 2_000, store = this.need('store')): Promise<SummaryWorker> {
    const worker = newSummaryWorker(store, await this.connect(commandTimeoutMs));
    this.#context.workers.push(worker);
    worker.start();
    return worker;
  }

  /** Waits until the summaries contain everything that is in the tables. */
  async caughtUp(boundMs = 15_000): Promise<void> {
    const wanted = String(this.need('projection').sequence);
    await waitFor(
      `the summaries at ${wanted}`,
      async () => {
        const found = await readPosition(this.need('redis')).catch(() => undefined);
        return found?.position === wanted ? true : undefined;
      },
      boundMs,
    );
  }
}
