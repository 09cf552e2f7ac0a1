import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import type { Config } from '../config.js';
import { ConfigError } from '../config-error.js';
import type { Lifecycle } from '../lifecycle.js';
import { migrate } from '../store/migrate.js';
import { openPool } from '../store/postgres.js';
import { openRedis } from '../store/redis.js';
import {
  ConnectionWatch,
  connectNats,
  isMomentary,
  type JetStreamManager,
  type NatsConnection,
} from '../stream/connection.js';
import { ensureStreams, needsCluster, type StreamRights } from '../stream/streams.js';
import type { Logger } from '../telemetry/logger.js';
import { waitForServer } from '../wait-for-server.js';

export interface Servers {
  readonly connection: NatsConnection;
  readonly watch: ConnectionWatch;
  readonly manager: JetStreamManager;
  /** Resolves if the connection to NATS is closed for good although nobody asked for it. */
  readonly failed: Promise<'failed'>;
}

/** Connects to NATS and prepares streams and schema. Redis is not waited for: everything works without it. */
export async function connectServers(
  config: Config,
  logger: Logger,
  lifecycle: Lifecycle,
  signal: AbortSignal,
  foreignSubjects: readonly string[],
): Promise<Servers> {
  const needsPostgres = config.roles.has('api') || config.roles.has('projector');
  const [nats, postgres] = await Promise.allSettled([
    waitForServer('NATS', logger, signal, () => connectNats(config.nats, 'metrics-service')),
    // Alerts need NATS alone.
    needsPostgres ? waitForServer('Postgres', logger, signal, () => migrate(config.databaseUrl)) : undefined,
  ]);
  if (nats.status === 'rejected') throw nats.reason;
  const connection = nats.value;
  const watch = new ConnectionWatch(connection);
  let stopping = false;
  lifecycle.onStop('nats', async () => {
    stopping = true;
    await connection.drain();
  });
  if (postgres.status === 'rejected') throw postgres.reason;
  const failed = new Promise<'failed'>((resolve) => {
    void connection.closed().then((error) => {
      if (stopping) return;
      logger.fatal({ err: error }, 'The connection to NATS is closed for good');
      resolve('failed');
    });
  });
  const manager = await waitForServer('JetStream', logger, signal, () => connection.jetstreamManager());
  await prepareStreams(manager, config, logger, signal, foreignSubjects);
  return { connection, watch, manager, failed };
}

/** Makes the streams as they should be. Of a cluster that is still electing, a leader and the other servers are waited for. */
async function prepareStreams(
  manager: JetStreamManager,
  config: Config,
  logger: Logger,
  signal: AbortSignal,
  foreignSubjects: readonly string[],
): Promise<void> {
  const { retentionDays, dedupWindowSeconds, streamReplicas: replicas } = config;
  const settings = { retentionDays, dedupWindowSeconds, replicas, maxBytes: 0, foreignSubjects };
  const rights: StreamRights = {
    // One kind of process decides: an api process with an older sources.yaml must not unbind what the projector bound.
    mayChange: config.roles.has('projector'),
    onChanged: (change) => logger.warn(change, 'A stream was changed to what is configured'),
  };
  const ensure = () => ensureStreams(manager, settings, rights);
  try {
    for (const difference of await waitForServer('JetStream', logger, signal, ensure, isMomentary)) {
      logger.warn(difference, 'A stream differs from what is configured, and is not changed');
    }
  } catch (error) {
    if (!needsCluster(error)) throw error;
    throw new ConfigError([{ name: 'METRICS_STREAM_REPLICAS', detail: `is ${replicas}, and NATS is a single server` }]);
  }
}

/** Where a part of the service keeps its connections to Postgres and Redis. */
export interface Stores {
  readonly pool: Pool;
  readonly redis: Redis;
}

/** Whose connections to Postgres they are, and how many there are at most. */
interface PoolPart {
  readonly name: string;
  readonly maxConnections: number;
}

/** Opens connections for one part of the service, so that none waits for another's. */
export function openStores(
  config: Config,
  logger: Logger,
  lifecycle: Lifecycle,
  part: PoolPart & { readonly redisTimeoutMs: number },
): Stores {
  const pool = openTables(config, logger, lifecycle, part);
  const redis = openRedis(config.redis, part.redisTimeoutMs, logRedisTrouble(logger));
  lifecycle.onStop(`${part.name}: redis`, () => redis.disconnect());
  return { pool, redis };
}

/** The same to Postgres alone. */
export function openTables(config: Config, logger: Logger, lifecycle: Lifecycle, part: PoolPart): Pool {
  const pool = openPool({
    databaseUrl: config.databaseUrl,
    maxConnections: part.maxConnections,
    applicationName: `metrics-service ${part.name}`,
    onError: (error) => logger.warn({ reason: error.message }, 'A connection to Postgres broke'),
  });
  lifecycle.onStop(`${part.name}: postgres`, () => pool.end());
  return pool;
}

/** Says once what is wrong with Redis, not at each try to come back. */
function logRedisTrouble(logger: Logger): (error: Error) => void {
  let told = '';
  return ({ message }) => {
    if (message !== told) logger.warn({ reason: message }, 'Redis is away');
    told = message;
  };
}
