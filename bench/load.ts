/**
 * How fast summary and health answer over HTTP while events come in: `npm run bench:load -- [events stored]
 * [requests per second] [events per second] [seconds]`. A request's time runs from the moment at which it was due.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { migrate } from '../src/store/migrate.js';
import { openPool } from '../src/store/postgres.js';
import { testPool } from '../test/support/database.js';
import { foldEvents } from '../test/support/fold-events.js';
import { startTestServers } from '../test/support/service.js';
import { ServiceProcess } from '../test/support/service-process.js';
import { BenchClient } from './http-client.js';
import { untilReady } from './ready.js';
import { RealisticEvents } from './realistic-events.js';

const [stored = 500_000, requestRate = 200, eventRate = 1_000, seconds = 30] = process.argv.slice(2).map(Number);
const SPAN_MS = 30 * 86_400_000;
const EVENTS_PER_FOLD = 50_000;
const EVENTS_PER_POST = 50;
const TICK_MS = 1;
const PATHS = [
  '/metrics/summary',
  '/metrics/services/health',
  '/metrics/summary?window=30d',
  '/metrics/services/health',
] as const;
const DASHBOARD = '/metrics/dashboard over 30 days';
const DASHBOARD_MS = 30 * 86_400_000;
const MINUTE_MS = 60_000;
const DASHBOARDS = 100;

/** Puts events into the tables without a log: the service then begins a log of its own beside them. */
async function store(databaseUrl: string, events: RealisticEvents): Promise<void> {
  await migrate(databaseUrl);
  const onError = (error: Error): void => console.error(error.message);
  const pool = openPool({ databaseUrl, maxConnections: 2, applicationName: 'bench', onError });
  const nowMs = Date.now();
  for (let first = 1; first <= stored; first += EVENTS_PER_FOLD) {
    const count = Math.min(EVENTS_PER_FOLD, stored - first + 1);
    await foldEvents(pool, events.stored(first, count, nowMs, SPAN_MS));
    await pool.query('delete from summary_outbox');
  }
  await pool.query('delete from projection_checkpoints');
  await pool.query('vacuum analyze');
  await pool.end();
}

/** Does `work` so many times a second, whether or not the work before is done. */
async function atRate(rate: number, work: (index: number, dueMs: number) => Promise<void>): Promise<void> {
  const startedMs = performance.now();
  const running: Promise<void>[] = [];
  for (let done = 0; done < rate * seconds; ) {
    // The first is due at once.
    const due = Math.min(rate * seconds, Math.floor(((performance.now() - startedMs) / 1000) * rate) + 1);
    for (; done < due; done += 1) running.push(work(done, startedMs + (done * 1000) / rate));
    await sleep(TICK_MS);
  }
  await Promise.all(running);
}

const servers = await startTestServers();
const service = await ServiceProcess.create(servers.env);
const events = new RealisticEvents(1);
try {
  const beginMs = performance.now();
  await store(servers.database.url, events);
  console.log(`${stored} events stored in ${((performance.now() - beginMs) / 1000).toFixed(0)} s`);
  await service.start();
  const [reader, writer] = [await BenchClient.of(service.port, 32), await BenchClient.of(service.port, 4)];
  const pool = testPool(servers.database.url, 1);
  // Before summaries and rollups are built, an answer from millions of rows may not come in time.
  await untilReady(reader, pool);
  await pool.end();
  console.log(`summaries and rollups built ${((performance.now() - beginMs) / 1000).toFixed(0)} s after the beginning`);
  const took = new Map<string, number[]>(PATHS.map((path) => [path, []]));
  await Promise.all([
    atRate(eventRate / EVENTS_PER_POST, async () => {
      const bodies = Array.from({ length: EVENTS_PER_POST }, () => {
        const { kind, body } = events.body();
        return { kind, ...body };
      });
      await writer.send('POST', '/metrics/events/batch', JSON.stringify({ events: bodies }));
    }),
    atRate(requestRate, async (index, dueMs) => {
      const path = PATHS[index % PATHS.length] ?? PATHS[0];
      await reader.send('GET', path);
      took.get(path)?.push(performance.now() - dueMs);
    }),
  ]);
  // One after the other, without events coming in; each range is named to the minute, so none has been answered before.
  const dashboards: number[] = [];
  for (let index = 1; index <= DASHBOARDS; index += 1) {
    const startMs = performance.now();
    const toMs = Math.floor(Date.now() / MINUTE_MS - index) * MINUTE_MS;
    const [from, to] = [toMs - DASHBOARD_MS, toMs].map((timeMs) => new Date(timeMs).toISOString());
    await reader.send('GET', `/metrics/dashboard?from=${from}&to=${to}`);
    dashboards.push(performance.now() - startMs);
  }
  took.set(DASHBOARD, dashboards);
  const summary = await reader.send('GET', PATHS[0]);
  if (!summary.includes('"source":"redis"')) throw new Error('The answers came from Postgres');
  for (const [path, times] of [...took, ['all', [...took.values()].flat()] as const]) {
    times.sort((a, b) => a - b);
    const at = (share: number): string => (times[Math.ceil(share * times.length) - 1] ?? Number.NaN).toFixed(1);
    console.log(`${path}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms (${times.length} requests)`);
  }
  reader.close();
  writer.close();
} finally {
  await service.end('SIGTERM');
  await servers.stop();
}
