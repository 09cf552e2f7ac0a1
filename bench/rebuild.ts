/**
 * What a rebuild costs those who read and write meanwhile: `npm run bench:rebuild -- [events in the log]
 * [requests per second] [events per second] [seconds without a rebuild]`. A request's time
 * runs from the moment at which it was due.
 * An answer with fewer requests than there were at the beginning counts as empty.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Summary } from '../src/queries/summary.js';
import { CommandProcess } from '../test/support/command-process.js';
import { testPool } from '../test/support/database.js';
import { openLog } from '../test/support/log.js';
import { appendEvents } from '../test/support/rebuild-stage.js';
import { startTestServers } from '../test/support/service.js';
import { ServiceProcess } from '../test/support/service-process.js';
import { BenchClient } from './http-client.js';
import { untilReady } from './ready.js';
import { RealisticEvents } from './realistic-events.js';

const [stored = 1_000_000, requestRate = 10, eventRate = 200, seconds = 60] = process.argv.slice(2).map(Number);
const SPAN_MS = 30 * 86_400_000;
const EVENTS_PER_APPEND = 10_000;
const EVENTS_PER_POST = 50;
const TICK_MS = 1;
const WARM_UP_MS = 10_000;
const PATHS = [
  '/metrics/summary',
  '/metrics/services/health',
  '/metrics/summary?window=30d',
  '/metrics/dashboard',
] as const;

interface Load {
  readonly times: number[];
  /** Of each path. */
  readonly byPath: Map<string, number[]>;
  readonly failures: string[];
  empty: number;
  posted: number;
}

/** Reads and writes at constant rates, whether or not what was sent before is answered, until `hasEnded`. */
async function load(
  reader: BenchClient,
  writer: BenchClient,
  events: RealisticEvents,
  leastRequests: number,
  hasEnded: () => boolean,
): Promise<Load> {
  const result: Load = {
    times: [],
    byPath: new Map(PATHS.map((path) => [path, []])),
    failures: [],
    empty: 0,
    posted: 0,
  };
  const read = async (index: number, dueMs: number): Promise<void> => {
    const path = PATHS[index % PATHS.length] ?? PATHS[0];
    const text = await reader.send('GET', path);
    const ms = performance.now() - dueMs;
    result.times.push(ms);
    result.byPath.get(path)?.push(ms);
    if (path !== '/metrics/summary?window=30d') return;
    if ((JSON.parse(text) as Summary).api.requests < leastRequests) result.empty += 1;
  };
  const write = async (): Promise<void> => {
    const bodies = Array.from({ length: EVENTS_PER_POST }, () => {
      const { kind, body } = events.body();
      return { kind, ...body };
    });
    await writer.send('POST', '/metrics/events/batch', JSON.stringify({ events: bodies }));
    result.posted += EVENTS_PER_POST;
  };
  const noted = (work: Promise<void>): Promise<void> =>
    work.catch((error: Error) => {
      result.failures.push(error.message);
    });
  await Promise.all([
    atRate(requestRate, hasEnded, (index, dueMs) => noted(read(index, dueMs))),
    atRate(eventRate / EVENTS_PER_POST, hasEnded, () => noted(write())),
  ]);
  return result;
}

async function atRate(
  rate: number,
  hasEnded: () => boolean,
  work: (index: number, dueMs: number) => Promise<void>,
): Promise<void> {
  const startedMs = performance.now();
  let running: Promise<void>[] = [];
  for (let done = 0; !hasEnded(); ) {
    const due = Math.floor(((performance.now() - startedMs) / 1000) * rate) + 1;
    for (; done < due; done += 1) running.push(work(done, startedMs + (done * 1000) / rate));
    if (running.length > 10_000) running = [Promise.all(running).then(() => undefined)];
    await sleep(TICK_MS);
  }
  await Promise.all(running);
}

function quantiles(times: number[]): readonly [p50: number, p99: number, max: number] {
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.ceil(share * times.length) - 1] ?? Number.NaN;
  return [at(0.5), at(0.99), at(1)];
}

function tell(what: string, { times, byPath, failures, empty, posted }: Load): number {
  const of = quantiles(times);
  const [p50, p99, max] = of.map((time) => `${time.toFixed(1)} ms`);
  console.log(
    `${what}: p50 ${p50}, p99 ${p99}, max ${max} (${times.length} reads, ${posted} events posted), ` +
      `${failures.length} failed, ${empty} empty`,
  );
  for (const [path, some] of byPath) {
    const [half, most] = quantiles(some).map((time) => `${time.toFixed(1)} ms`);
    console.log(`  ${path}: p50 ${half}, p99 ${most}`);
  }
  for (const failure of new Set(failures)) console.log(`  ${failure}`);
  return of[1];
}

const servers = await startTestServers();
const service = await ServiceProcess.create(servers.env);
const pool = testPool(servers.database.url, 2);
const events = new RealisticEvents(1);
try {
  const beginMs = performance.now();
  await service.start();
  const log = await openLog(servers.nats.url, { appender: { maxInFlight: 4_000, ackTimeoutMs: 30_000 } });
  for (let first = 1; first <= stored; first += EVENTS_PER_APPEND) {
    const count = Math.min(EVENTS_PER_APPEND, stored - first + 1);
    await appendEvents(log, events.stored(first, count, Date.now(), SPAN_MS));
  }
  await log.close();
  const [reader, writer] = [await BenchClient.of(service.port, 32), await BenchClient.of(service.port, 4)];
  await untilReady(reader, pool);
  console.log(`${stored} events projected in ${((performance.now() - beginMs) / 1000).toFixed(0)} s`);
  const least = async (): Promise<number> => {
    const answer = JSON.parse(await reader.send('GET', '/metrics/summary?window=30d')) as Summary;
    // Some leave the window while the measurement goes on.
    return Math.floor(answer.api.requests * 0.98);
  };
  const leastRequests = await least();
  const forMs = (durationMs: number): (() => boolean) => {
    const endMs = performance.now() + durationMs;
    return () => performance.now() > endMs;
  };
  await load(reader, writer, events, leastRequests, forMs(WARM_UP_MS));
  const before = tell('without', await load(reader, writer, events, leastRequests, forMs(seconds * 1000)));
  const startMs = performance.now();
  const rebuild = new CommandProcess(['rebuild', 'all', '--json'], servers.env);
  const during = tell('during a rebuild', await load(reader, writer, events, leastRequests, () => rebuild.hasEnded));
  const status = await rebuild.ended();
  if (status !== 0) throw new Error(`The rebuild ended with ${status}: ${rebuild.output}`);
  const document = rebuild.output.split('\n').find((line) => line.startsWith('{')) ?? '{}';
  const { held_ms, readers_held_ms, swap_attempts, report } = JSON.parse(document) as Record<string, number> & {
    readonly report: { readonly events: number; readonly days: readonly { readonly difference?: unknown }[] };
  };
  const differing = report.days.filter(({ difference }) => difference !== undefined).length;
  console.log(
    `${report.events} events folded, compared and swapped in ${((performance.now() - startMs) / 1000).toFixed(0)} s; ` +
      `${differing} of ${report.days.length} days of tables differ; swap at attempt ${swap_attempts}: the projector was held for ` +
      `${held_ms} ms, readers for at most ${readers_held_ms} ms`,
  );
  console.log(`p99 of reads: ${(during / before).toFixed(2)} times that without a rebuild`);
  reader.close();
  writer.close();
} finally {
  await pool.end();
  await service.end('SIGTERM');
  await servers.stop();
}
