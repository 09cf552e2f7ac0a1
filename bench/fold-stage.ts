/** A log that is to be folded, and what folds it: for the cases `projecting` and `rebuild`. */
import { Redis } from 'ioredis';
import type { Pool } from 'pg';
import type { Environment } from '../src/config.js';
import type { ManagedServer } from '../src/devservices/index.js';
import { readCheckpoint, TABLES_PROJECTION } from '../src/store/checkpoints.js';
import { migrate } from '../src/store/migrate.js';
import { readPosition } from '../src/store/summary-position.js';
import { testPool } from '../test/support/database.js';
import { openLog } from '../test/support/log.js';
import { appendEvents } from '../test/support/rebuild-stage.js';
import { startTestPostgres, testDatabase, waitFor } from '../test/support/servers.js';
import { startTestServers } from '../test/support/service.js';
import { ServiceProcess } from '../test/support/service-process.js';
import type { BenchOptions, Sample } from './harness/case.js';
import { cpuSeconds } from './processes.js';
import { RealisticEvents } from './realistic-events.js';

const EVENTS = 1_000_000;
const QUICK_EVENTS = 20_000;
const EVENTS_PER_APPEND = 10_000;
/** A million events are those of a day, in the order of time. */
const MS_PER_EVENT = 86.4;
const SESSIONS_PER_USER = 2;
const TIMEOUT_MS = 900_000;
/** As Postgres is unless someone changes it; tests have it faster. */
const USUAL_POSTGRES = { fsync: 'on', full_page_writes: 'on', synchronous_commit: 'on' };

/** Servers, a log in NATS, and nothing that reads it yet. */
export interface FoldStage {
  readonly events: number;
  readonly env: Environment;
  readonly postgres: ManagedServer;
  readonly redis: Redis;
  /** Processes of the servers, by name. */
  readonly processes: Readonly<Record<string, number | undefined>>;
  close(): Promise<void>;
}

/** What projecting took: the sample, and of each server the microseconds of a core for an event. */
export interface Projected {
  readonly sample: Sample;
  readonly servers: Readonly<Record<string, number>>;
}

/** Starts the servers and fills the log. */
export async function openFoldStage({ quick }: BenchOptions): Promise<FoldStage> {
  const events = quick ? QUICK_EVENTS : EVENTS;
  const postgres = await startTestPostgres({ settings: USUAL_POSTGRES });
  const servers = await startTestServers({ postgres });
  const redis = new Redis(servers.redis.port, '127.0.0.1');
  await fillLog(servers.nats.url, events);
  return {
    events,
    env: servers.env,
    postgres,
    redis,
    processes: { NATS: servers.nats.pid, Postgres: postgres.pid, Redis: servers.redis.pid },
    close: async () => {
      redis.disconnect();
      await servers.stop();
      await postgres.stop();
    },
  };
}

async function fillLog(natsUrl: string, count: number): Promise<void> {
  const events = new RealisticEvents(1, SESSIONS_PER_USER);
  const log = await openLog(natsUrl, { appender: { maxInFlight: 4_000, ackTimeoutMs: 30_000 } });
  const startMs = Date.now() - count * MS_PER_EVENT;
  for (let first = 1; first <= count; first += EVENTS_PER_APPEND) {
    const length = Math.min(EVENTS_PER_APPEND, count - first + 1);
    const untilMs = Math.floor(startMs + (first + length) * MS_PER_EVENT);
    await appendEvents(log, events.stored(first, length, untilMs, Math.ceil(length * MS_PER_EVENT)));
  }
  await log.close();
}

/** A migrated database of its own, for as long as the work takes. */
export async function withDatabase<T>(
  { postgres }: FoldStage,
  work: (pool: Pool, url: string) => Promise<T>,
): Promise<T> {
  const database = await testDatabase({ server: postgres });
  await migrate(database.url);
  const pool = testPool(database.url, 1);
  try {
    return await work(pool, database.url);
  } finally {
    await pool.end();
    await database.drop();
  }
}

/**
 * Projects the whole log into an empty database and an empty Redis. The time runs from the first batch that is committed to
 * the last event in Redis: a start is not counted, nor are the events of that batch.
 */
export async function project(
  { env, redis, events, processes }: FoldStage,
  pool: Pool,
  databaseUrl: string,
): Promise<Projected> {
  await redis.flushall();
  const service = await ServiceProcess.create({ ...env, DATABASE_URL: databaseUrl, ROLE: 'projector' });
  const inTables = async (): Promise<number> => (await readCheckpoint(pool, TABLES_PROJECTION))?.sequence ?? 0;
  const inSummaries = async (): Promise<number> => Number((await readPosition(redis))?.position ?? 0);
  const readCpu = (): number[] => [service.pid, ...Object.values(processes)].map(cpuSeconds);
  try {
    service.spawn();
    const first = await waitFor('the first batch', async () => (await inTables()) || undefined, TIMEOUT_MS);
    const [startMs, startCpu] = [performance.now(), readCpu()];
    const isDone = async (): Promise<true | undefined> =>
      ((await inTables()) === events && (await inSummaries()) === events) || undefined;
    await waitFor('all events in the tables and in Redis', isDone, TIMEOUT_MS);
    const operations = events - first;
    const seconds = (performance.now() - startMs) / 1000;
    const [own = 0, ...others] = readCpu().map((cpu, index) => cpu - (startCpu[index] ?? 0));
    const each = Object.keys(processes).map((name, index) => [name, ((others[index] ?? 0) / operations) * 1e6]);
    return {
      sample: { value: operations / seconds, cpuSeconds: own, operations },
      servers: Object.fromEntries(each),
    };
  } finally {
    await service.end('SIGTERM');
  }
}
