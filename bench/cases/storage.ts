import type { Pool } from 'pg';
import { appendStretch } from '../../src/demo/history.js';
import { MINUTE_MS, minuteOf } from '../../src/demo/minute.js';
import { tellStory } from '../../src/demo/story.js';
import { EVENT_TABLES } from '../../src/store/partitions.js';
import { testPool } from '../../test/support/database.js';
import { openLog } from '../../test/support/log.js';
import { startTestPostgres } from '../../test/support/servers.js';
import { startTestServers, type TestServers } from '../../test/support/service.js';
import { ServiceProcess } from '../../test/support/service-process.js';
import type { BenchOptions, Figure, FigureCase } from '../harness/case.js';
import { BenchClient } from '../http-client.js';
import { askEverything, type IndexScans, readScans } from '../index-use.js';
import { cpuSeconds, peakBytes } from '../processes.js';
import { untilFolded, untilReady } from '../ready.js';
import { readRedis, readRollups, readTable, readWalBytes, type Sized } from '../sizes.js';

const DAYS = 7;
const SESSIONS_PER_MINUTE = 2;
const QUICK_SESSIONS_PER_MINUTE = 0.1;
const MINUTES_PER_DAY = 86_400_000 / MINUTE_MS;

export const storage: FigureCase = {
  name: 'storage',
  title: 'bytes of an event in the log, in each table and index, and of a day in Redis',
  measure: ({ quick }: BenchOptions) => measureStorage(DAYS, quick ? QUICK_SESSIONS_PER_MINUTE : SESSIONS_PER_MINUTE),
};

/**
 * The demo's events go through the log of a service with servers of its own; when everything is folded and rolled up, each
 * place is asked for its size. Postgres writes its log of changes as in production.
 */
export async function measureStorage(days: number, sessionsPerMinute: number): Promise<readonly Figure[]> {
  const postgres = await startTestPostgres({ settings: { full_page_writes: 'on' } });
  const servers = await startTestServers({ postgres });
  const service = await ServiceProcess.create(servers.env);
  const pool = testPool(servers.database.url, 1);
  try {
    await service.start();
    const pids = {
      'the service': service.pid,
      NATS: servers.nats.pid,
      Postgres: postgres.pid,
      Redis: servers.redis.pid,
    };
    const client = await BenchClient.of(service.port, 2);
    const cpuNow = (): number[] => Object.values(pids).map(cpuSeconds);
    const [idle, walBefore] = [cpuNow(), await readWalBytes(pool)];
    const log = await appendDemo(servers, days, sessionsPerMinute);
    await untilFolded(client);
    const [folded, connections] = [cpuNow(), await readConnections(pool)];
    await untilReady(client, pool);
    const figures = [
      { what: `events of ${days} days`, value: log.events, unit: 'events' },
      each('the log (METRICS)', log.bytes, log.events),
      each("Postgres' log of changes (WAL)", (await readWalBytes(pool)) - walBefore, log.events),
      ...(await readSizes(pool, servers.redis.port, days)),
      ...costs(pids, log.events, [idle, folded, cpuNow()]),
      ...connections,
    ];
    await askEverything(client, pool, servers.env);
    client.close();
    return [...figures, ...(await readScans(pool)).map(toFigure)];
  } finally {
    await pool.end();
    await service.end('SIGTERM');
    await servers.stop();
    await postgres.stop();
  }
}

async function readSizes(pool: Pool, redisPort: number, days: number): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const table of EVENT_TABLES) {
    const { rows, sizes } = await readTable(pool, table);
    figures.push(...ofRows(table, sizes, rows));
  }
  const redis = await readRedis(redisPort);
  figures.push(...ofDays('rollups and sessions', await readRollups(pool), days));
  figures.push(...ofDays('Redis', await redis.sizes(), days));
  redis.close();
  return figures;
}

/** @param cpu seconds of each process before there was anything to do, when all was folded, and when all was rolled up */
function costs(
  pids: Readonly<Record<string, number | undefined>>,
  events: number,
  [idle, folded, rolledUp]: readonly [readonly number[], readonly number[], readonly number[]],
): Figure[] {
  return Object.entries(pids).flatMap(([name, pid], index) => {
    const figure = (what: string, after: readonly number[], before: readonly number[]): Figure => ({
      what: `${name}: ${what}`,
      value: (((after[index] ?? 0) - (before[index] ?? 0)) / events) * 1e6,
      unit: 'µs of a core an event',
    });
    return [
      figure('until folded', folded, idle),
      figure('until rolled up', rolledUp, folded),
      { what: `${name}: most memory`, value: peakBytes(pid) / 1e6, unit: 'MB' },
    ];
  });
}

function toFigure({ index, scans }: IndexScans): Figure {
  return { what: `scans of ${index}`, value: scans, unit: 'scans' };
}

async function appendDemo(
  { nats }: TestServers,
  days: number,
  sessionsPerMinute: number,
): Promise<{ readonly events: number; readonly bytes: number }> {
  const log = await openLog(nats.url, { appender: { maxInFlight: 4_000, ackTimeoutMs: 30_000 } });
  const nowMs = Date.now();
  const untilMinute = minuteOf(nowMs);
  await appendStretch(
    tellStory({ seed: 1, sessionsPerMinute, begunMs: nowMs, startMs: nowMs, liveMs: undefined }),
    { fromMinute: untilMinute - days * MINUTES_PER_DAY, untilMinute },
    { appender: log.appender, signal: new AbortController().signal, onAppended: async () => undefined },
  );
  const { state } = await log.manager.streams.info('METRICS');
  await log.close();
  return { events: state.messages, bytes: state.bytes };
}

async function readConnections(pool: Pool): Promise<Figure[]> {
  const { rows } = await pool.query<{ name: string; count: string }>(
    `select application_name as name, count(*) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() group by 1 order by 1`,
  );
  return rows.map(({ name, count }) => ({
    what: `connections to Postgres of ${name}`,
    value: Number(count),
    unit: 'connections',
  }));
}

function each(what: string, bytes: number, events: number): Figure {
  return { what, value: bytes / events, unit: 'bytes an event' };
}

/** What all of them take for a row, and each. */
function ofRows(table: string, sizes: readonly Sized[], rows: number): Figure[] {
  const figure = (what: string, bytes: number): Figure => ({ what, value: bytes / rows, unit: 'bytes a row' });
  return [
    figure(`${table}, ${rows} rows`, sum(sizes)),
    ...sizes.map(({ name, bytes }) => figure(`${table}: ${name}`, bytes)),
  ];
}

function ofDays(what: string, sizes: readonly Sized[], days: number): Figure[] {
  const figure = (name: string, bytes: number): Figure => ({ what: name, value: bytes / days / 1e3, unit: 'kB a day' });
  return [figure(what, sum(sizes)), ...sizes.map(({ name, bytes }) => figure(`${what}: ${name}`, bytes))];
}

function sum(sizes: readonly Sized[]): number {
  return sizes.reduce((total, { bytes }) => total + bytes, 0);
}
