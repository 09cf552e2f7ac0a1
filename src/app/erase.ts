import { hostname } from 'node:os';
import type { Redis } from 'ioredis';
import type { FoldConfig } from '../config.js';
import { codecOf } from '../events/codec.js';
import {
  DeletingDenied,
  type Erased,
  type EraseParts,
  eraseUser,
  untilSummariesForget,
} from '../projections/erase/erase-user.js';
import { SummaryWorker } from '../projections/summary-worker.js';
import { lead } from '../store/lease.js';
import { openPool } from '../store/postgres.js';
import { openRedis, redisAnswered } from '../store/redis.js';
import { ConnectionWatch, connectNats } from '../stream/connection.js';
import { createLogger } from '../telemetry/logger.js';
import { createServiceMetrics } from '../telemetry/service-metrics.js';

export type EraseOutcome =
  | {
      readonly kind: 'erased';
      readonly erased: Erased;
      /** False where Redis is away: a service folds the summaries anew when it is back. */
      readonly hasRedisForgotten: boolean;
    }
  /** A rebuild reads ahead of what it has written: it would bring back what it has in hand. Nothing was done. */
  | { readonly kind: 'rebuilding' }
  /** METRICS was made so that nothing can be deleted from it. Nothing was done. */
  | { readonly kind: 'denied' };

const REDIS_TIMEOUT_MS = 10_000;
/** Summaries of a few million events are folded in this time; a service that is slower finishes by itself. */
const SUMMARIES_TIMEOUT_MS = 600_000;

/**
 * Removes everything that names a user, with the servers of this configuration.
 *
 * @throws where NATS or Postgres is away, or the signal's reason
 */
export async function eraseEverywhere(
  config: FoldConfig,
  userId: number,
  { signal, onProgress }: Pick<EraseParts, 'signal' | 'onProgress'>,
): Promise<EraseOutcome> {
  const connection = await connectNats(config.nats, 'metrics erase');
  const { databaseUrl } = config;
  const pool = openPool({ databaseUrl, maxConnections: 4, applicationName: 'metrics erase', onError: () => undefined });
  const redis = openRedis(config.redis, REDIS_TIMEOUT_MS, () => undefined);
  try {
    const parts: EraseParts = {
      connection,
      watch: new ConnectionWatch(connection),
      manager: await connection.jetstreamManager(),
      pool,
      codec: codecOf(config),
      signal,
      now: Date.now,
      onProgress,
    };
    let erased: Erased | undefined;
    await lead(databaseUrl, 'rebuild', async () => {
      erased = await eraseUser(parts, userId);
    });
    if (erased === undefined) return { kind: 'rebuilding' };
    return { kind: 'erased', erased, hasRedisForgotten: await forgetInRedis(config, parts, redis) };
  } catch (error) {
    if (error instanceof DeletingDenied) return { kind: 'denied' };
    throw error;
  } finally {
    redis.disconnect();
    await Promise.allSettled([connection.close(), pool.end()]);
  }
}

/** Waits until Redis has forgotten. Where no service is at work, a summary worker of this process folds what is left. */
async function forgetInRedis(config: FoldConfig, { pool, signal }: EraseParts, redis: Redis): Promise<boolean> {
  const { business, databaseUrl, retentionDays } = config;
  const holder = `${hostname()}:${process.pid}`;
  const quiet = { logger: createLogger('silent'), metrics: createServiceMetrics() };
  const worker = new SummaryWorker({ pool, redis, databaseUrl, business, retentionDays, holder, ...quiet });
  if (!(await redisAnswered(redis))) return false;
  worker.start();
  try {
    await untilSummariesForget(pool, redis, AbortSignal.any([signal, AbortSignal.timeout(SUMMARIES_TIMEOUT_MS)]));
    return true;
  } catch {
    // It went away, or took too long. What Redis holds is folded anew when a worker reaches it.
    signal.throwIfAborted();
    return false;
  } finally {
    await worker.stop();
  }
}
