import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import type { ManagedServer } from '../../src/devservices/index.js';
import type { LogEvent } from '../../src/events/kinds.js';
import { findDueRollups, rollUp } from '../../src/projections/roll-up.js';
import { MAX_ROWS_PER_DELTA } from '../../src/projections/summary-delta.js';
import { SummaryWorker } from '../../src/projections/summary-worker.js';
import { routeOf } from '../../src/store/route.js';
import { createServiceMetrics } from '../../src/telemetry/service-metrics.js';
import { openStore, type TestStore } from './database.js';
import { BUSINESS, foldEvents } from './fold-events.js';
import { foldAllSessions } from './fold-sessions.js';
import { testLogger, testRedis } from './projection.js';
import { randomEvents } from './random-events.js';
import { Recount } from './recount.js';
import { startTestRedis, waitFor } from './servers.js';

export const RETENTION_DAYS = 90;
const FOLD_TIMEOUT_MS = 60_000;
/** Rounds of an hour of minutes, or of six hours: those of some days, and of all but the oldest. */
const FEW_ROUNDS = 60;
const MANY_ROUNDS = 180;
const NEVER = new AbortController().signal;

/** Random events, folded into the tables, the sessions, the rollups and Redis, and counted again. */
export interface RecountBench {
  readonly nowMs: number;
  readonly store: TestStore;
  readonly pool: Pool;
  readonly server: ManagedServer;
  readonly redis: Redis;
  readonly recount: Recount;
  close(): Promise<void>;
}

/** The first half is built from the tables, the second half comes through the outbox and makes rollups out of date. */
export async function openRecountBench(count: number, seed: number, days: number): Promise<RecountBench> {
  const [server, store] = await Promise.all([startTestRedis(), openStore()]);
  const { pool, url: databaseUrl } = store;
  const nowMs = Date.now();
  const events = randomEvents(count, seed, nowMs, days);
  const workersRedis = testRedis(server, 0, 10_000);
  const worker = new SummaryWorker({
    pool,
    redis: workersRedis,
    databaseUrl,
    business: BUSINESS,
    retentionDays: RETENTION_DAYS,
    holder: 'test',
    logger: testLogger,
    metrics: createServiceMetrics(),
  });
  const fold = async (some: readonly LogEvent[]): Promise<void> => {
    await foldEvents(pool, some, MAX_ROWS_PER_DELTA);
    await foldAllSessions(pool);
  };
  const reached = (sequence: number) =>
    waitFor(
      `summaries at ${sequence}`,
      () => (worker.state.kind === 'running' && worker.state.sequence === sequence ? true : undefined),
      FOLD_TIMEOUT_MS,
    );
  const half = Math.floor(count / 2);
  await fold(events.slice(0, half));
  worker.start();
  await reached(half);
  await rollUpLatest(pool, FEW_ROUNDS);
  await fold(events.slice(half));
  worker.wake();
  await reached(count);
  await pool.query('analyze');
  await rollUpLatest(pool, MANY_ROUNDS);
  await worker.stop();
  workersRedis.disconnect();
  const redis = testRedis(server);
  await waitFor('Redis', () => redis.status === 'ready' || undefined);
  return {
    nowMs,
    store,
    pool,
    server,
    redis,
    recount: new Recount(events, routeOf),
    close: async () => {
      redis.disconnect();
      await store.close();
      await server.stop();
    },
  };
}

/** The latest stretches come first; what is left is counted in the tables. */
async function rollUpLatest(pool: Pool, rounds: number): Promise<void> {
  await pool.query(`update rollup_marks set marked_at = now() - interval '10 seconds'`);
  for (let round = 0; round < rounds; round += 1) {
    const due = await findDueRollups(pool);
    if (due === undefined) return;
    await rollUp(pool, due, NEVER);
  }
}
