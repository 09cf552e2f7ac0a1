import { hostname } from 'node:os';
import type { Config } from '../config.js';
import type { BusinessMapping } from '../config-files.js';
import type { CodecOptions } from '../events/codec.js';
import type { Lifecycle } from '../lifecycle.js';
import { NatsServicesWorker } from '../projections/nats-services.js';
import { PartitionKeeper } from '../projections/partition-keeper.js';
import { Projector } from '../projections/projector.js';
import { RetentionWorker } from '../projections/retention-worker.js';
import { RollupWorker } from '../projections/rollup-worker.js';
import { SessionWorker } from '../projections/session-worker.js';
import { SummaryWorker } from '../projections/summary-worker.js';
import { Partitions } from '../store/partitions.js';
import type { Appender } from '../stream/append.js';
import type { Logger } from '../telemetry/logger.js';
import type { ServiceMetrics } from '../telemetry/service-metrics.js';
import { openStores, type Servers } from './servers.js';

interface ProjectionParts extends Servers {
  readonly appender: Appender;
  readonly business: BusinessMapping;
  readonly codec: CodecOptions;
  readonly metrics: ServiceMetrics;
  readonly logger: Logger;
  readonly lifecycle: Lifecycle;
}

export interface Folds {
  readonly projector: Projector;
  readonly summaries: SummaryWorker;
  readonly sessions: SessionWorker;
}

const STORES = {
  name: 'projections',
  maxConnections: 6,
  // A rebuild's deltas are large.
  redisTimeoutMs: 10_000,
};

/** Everything that writes the tables and the summaries. */
export async function startProjections(config: Config, parts: ProjectionParts): Promise<Folds> {
  const { business, metrics, logger, lifecycle } = parts;
  const { databaseUrl, retentionDays } = config;
  const { pool, redis } = openStores(config, logger, lifecycle, STORES);

  const partitions = new Partitions(pool);
  const keeper = new PartitionKeeper(partitions, logger, Date.now);
  await keeper.start();
  lifecycle.onStop('partitions', () => keeper.stop());

  const holder = `${hostname()}:${process.pid}`;
  const summaries = new SummaryWorker({ pool, redis, databaseUrl, business, retentionDays, holder, logger, metrics });
  summaries.start();
  lifecycle.onStop('summaries', () => summaries.stop());

  const sessions = new SessionWorker({ pool, databaseUrl, retentionDays, holder, logger, metrics, now: Date.now });
  sessions.start();
  lifecycle.onStop('sessions', () => sessions.stop());

  const rollups = new RollupWorker({ pool, databaseUrl, retentionDays, logger });
  rollups.start();
  lifecycle.onStop('rollups', () => rollups.stop());

  const retention = new RetentionWorker({ pool, databaseUrl, retentionDays, logger, now: Date.now });
  retention.start();
  lifecycle.onStop('retention', () => retention.stop());

  const natsServices = new NatsServicesWorker({
    connection: parts.connection,
    appender: parts.appender,
    databaseUrl,
    aggregationIntervalSeconds: config.aggregationIntervalSeconds,
    logger,
    now: Date.now,
  });
  natsServices.start();
  lifecycle.onStop('nats services', () => natsServices.stop());

  const projector = new Projector({
    ...parts,
    pool,
    partitions,
    databaseUrl,
    holder,
    onCommit: () => summaries.wake(),
  });
  projector.start();
  lifecycle.onStop('projector', () => projector.stop());
  return { projector, summaries, sessions };
}
