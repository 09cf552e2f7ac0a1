import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { nextGenerationOfSummaries, readCheckpoint, TABLES_PROJECTION } from '../../store/checkpoints.js';
import { inTransaction } from '../../store/postgres.js';
import { readPosition } from '../../store/summary-position.js';
import { pause } from '../keep-leading.js';
import { SummaryWorker, type SummaryWorkerDependencies } from '../summary-worker.js';

const LOOK_MS = 100;
/** Whoever builds them says nothing for so long: Redis is away. */
const REDIS_TIMEOUT_MS = 60_000;
/** Longer than any fold of the tables takes. */
const BUILD_TIMEOUT_MS = 6 * 3_600_000;

export class RedisAway extends Error {
  constructor() {
    super('Redis does not answer; the summaries are built when it does');
    this.name = 'RedisAway';
  }
}

/**
 * Has the summaries folded anew of the tables as they are. Readers see the old ones until the new ones are whole.
 *
 * @returns false where no event was projected yet
 */
export async function askForSummaries(pool: Pool): Promise<boolean> {
  if ((await readCheckpoint(pool, TABLES_PROJECTION)) === undefined) return false;
  await inTransaction(pool, nextGenerationOfSummaries);
  return true;
}

/**
 * Waits until the summaries are a fold of the tables' generation. The service's worker makes them so; where no service runs,
 * one here does.
 *
 * @throws RedisAway, the signal's reason
 */
export async function awaitSummaries(dependencies: SummaryWorkerDependencies, signal: AbortSignal): Promise<void> {
  const worker = new SummaryWorker(dependencies);
  worker.start();
  try {
    await untilFollowed(dependencies.pool, dependencies.redis, signal);
  } finally {
    await worker.stop();
  }
}

async function untilFollowed(pool: Pool, redis: Redis, signal: AbortSignal): Promise<void> {
  const startedMs = performance.now();
  let heardMs = startedMs;
  for (;;) {
    signal.throwIfAborted();
    const wanted = String((await readCheckpoint(pool, TABLES_PROJECTION))?.generation ?? 0);
    const found = await readPosition(redis).then(
      (position) => ({ position }),
      () => undefined,
    );
    const nowMs = performance.now();
    if (found !== undefined) heardMs = nowMs;
    if (found?.position?.tables === wanted) return;
    if (nowMs - heardMs > REDIS_TIMEOUT_MS || nowMs - startedMs > BUILD_TIMEOUT_MS) throw new RedisAway();
    await pause(LOOK_MS, signal);
  }
}
