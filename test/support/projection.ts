import type { Redis } from 'ioredis';
import type { ManagedServer } from '../../src/devservices/index.js';
import { Projector, type ProjectorDependencies } from '../../src/projections/projector.js';
import { SummaryWorker } from '../../src/projections/summary-worker.js';
import { openRedis } from '../../src/store/redis.js';
import { createLogger, type Logger } from '../../src/telemetry/logger.js';
import { createServiceMetrics } from '../../src/telemetry/service-metrics.js';
import type { TestStore } from './database.js';
import { BUSINESS } from './events.js';
import type { TestLog } from './log.js';
import { codec } from './messages.js';
import { waitFor } from './servers.js';

/** Quiet unless `TEST_LOG_LEVEL` says otherwise. */
export const testLogger: Logger = createLogger(process.env.TEST_LOG_LEVEL ?? 'silent');

export function newProjector(log: TestLog, store: TestStore, changes: Partial<ProjectorDependencies> = {}): Projector {
  return new Projector({
    connection: log.connection,
    watch: log.watch,
    manager: log.manager,
    appender: log.appender,
    pool: store.pool,
    partitions: store.partitions,
    databaseUrl: store.url,
    codec: codec(),
    business: BUSINESS,
    holder: 'test',
    logger: testLogger,
    metrics: createServiceMetrics(),
    onCommit: () => undefined,
    ...changes,
  });
}

export function newSummaryWorker(store: TestStore, redis: Redis, holder = 'test'): SummaryWorker {
  return new SummaryWorker({
    pool: store.pool,
    redis,
    databaseUrl: store.url,
    business: BUSINESS,
    retentionDays: 90,
    holder,
    logger: testLogger,
    metrics: createServiceMetrics(),
  });
}

export function testRedis(server: ManagedServer, db = 0, commandTimeoutMs = 2_000): Redis {
  return redisOnPort(server.port, db, commandTimeoutMs);
}

export function redisOnPort(port: number, db = 0, commandTimeoutMs = 2_000): Redis {
  return openRedis({ host: '127.0.0.1', port, password: '', db }, commandTimeoutMs, () => undefined);
}

/** Where the checkpoint stands; 0 before there is one. */
export async function projectedTo(store: TestStore): Promise<number> {
  const { rows } = await store.pool.query<{ sequence: string }>(
    `select sequence from projection_checkpoints where name = 'tables'`,
  );
  return Number(rows[0]?.sequence ?? 0);
}

/** Waits until everything in the log, or up to a sequence, is in the tables. */
export async function untilProjected(
  log: TestLog,
  store: TestStore,
  sequence?: number,
  boundMs = 20_000,
): Promise<number> {
  const wanted = sequence ?? (await log.manager.streams.info('METRICS')).state.last_seq;
  await waitFor(
    `the projection of ${wanted}`,
    async () => ((await projectedTo(store)) >= wanted ? true : undefined),
    boundMs,
  );
  return wanted;
}
