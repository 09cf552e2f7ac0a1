import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { OperationalStatus } from '../../src/queries/get-status.js';
import { TEST_SECRET } from '../../test/support/service.js';
import { batchEvents, EVENTS_PER_BATCH } from '../batch-events.js';
import type { BenchCase, BenchOptions, Figure, Goal, Sample, Sides } from '../harness/case.js';
import { median } from '../harness/results.js';
import { BenchClient } from '../http-client.js';
import { type Load, loadFor } from '../http-load.js';
import { type CountedLog, type IngestStage, openIngestStage } from '../ingest-stage.js';
import { cpuSeconds } from '../processes.js';
import { untilFolded } from '../ready.js';
import { startReference } from '../reference-process.js';
import type { Published } from '../references/publisher.js';

const CONNECTIONS = 64;
const BATCH_CONNECTIONS = 4;
const SECONDS = 8;
/** A raw publisher appends so fast that the log grows by a gigabyte a minute. */
const BATCH_SECONDS = 4;
const WARM_UP_SECONDS = 3;
const QUICK_SECONDS = 0.3;
const PUBLISHER_GRACE_MS = 30_000;
const LOGIN = '{"event_type":"user_login","user_id":5,"metadata":{"browser":"chrome","ip":"192.168.1.1"}}';

interface Single {
  readonly name: string;
  readonly title: string;
  readonly goal: Goal;
  readonly role: 'api' | 'all';
  /** A program of bench/references. */
  readonly reference: string;
}

const SINGLES: readonly Single[] = [
  {
    name: 'single-post',
    title: 'POST /metrics/events, 64 connections, ROLE=api, against Fastify with an append through a reply inbox',
    goal: { atLeast: 0.9 },
    role: 'api',
    reference: 'append',
  },
  {
    name: 'single-post-all',
    title: 'the same with ROLE=all, projecting meanwhile, against the same',
    goal: { atLeast: 0.6 },
    role: 'all',
    reference: 'append',
  },
  {
    name: 'single-post-naive',
    title: 'the same with ROLE=api, against Fastify with js.publish and jwtVerify each time',
    goal: { atLeast: 2.5 },
    role: 'api',
    reference: 'naive-append',
  },
];

/** Events that come in, one by one and by the thousand. */
export const ingest: readonly BenchCase[] = [
  ...SINGLES.map(({ name, title, goal, ...rest }) => ({
    name,
    title,
    unit: 'requests/s',
    goal,
    prepare: (options: BenchOptions) => prepareSingle(rest, options),
  })),
  {
    name: 'batch-post',
    title: 'POST /metrics/events/batch, 1,000 events each, 4 connections, against a publisher without HTTP',
    unit: 'events/s',
    goal: { atLeast: 0.5 },
    prepare: prepareBatch,
  },
];

interface Target {
  readonly log: CountedLog;
  readonly load: Omit<Load, 'seconds'>;
  readonly eventsPerRequest: number;
  readonly pid: number | undefined;
  /** Gets what the load itself took for each request, in microseconds of a core. */
  readonly ownCpu: number[];
  /** Gets what NATS took for each event meanwhile, likewise. */
  readonly natsCpu: number[];
  /** What is waited for after the load; what the process does until then counts as well. */
  readonly settle?: () => Promise<void>;
}

/** @throws where an answer is not 202, or an event that was acknowledged is not in the log */
async function measure(target: Target, seconds: number): Promise<Sample> {
  const { log, load, eventsPerRequest, pid, ownCpu, natsCpu, settle } = target;
  const [before, natsBefore] = [pid, log.nats.pid].map(cpuSeconds);
  const { answered, tookSeconds, ownCpuSeconds } = await log.counted(
    () => loadFor({ ...load, seconds }),
    (loaded) => loaded.answered * eventsPerRequest,
  );
  ownCpu.push((ownCpuSeconds / answered) * 1e6);
  await settle?.();
  const operations = answered * eventsPerRequest;
  natsCpu.push(((cpuSeconds(log.nats.pid) - (natsBefore ?? 0)) / operations) * 1e6);
  return { value: operations / tookSeconds, cpuSeconds: cpuSeconds(pid) - (before ?? 0), operations };
}

function costsOf({ ownCpu, natsCpu }: Target): Figure[] {
  return [
    { what: 'CPU of NATS for each event of ours, median', value: median(natsCpu), unit: 'µs' },
    { what: 'CPU of the load for each request of ours, median', value: median(ownCpu), unit: 'µs' },
  ];
}

function postTo(port: number, path: string, bodies: readonly string[], connections: number, stage: IngestStage) {
  return { url: `http://127.0.0.1:${port}${path}`, headers: stage.headers, connections, bodies, status: 202 };
}

async function prepareSingle(single: Pick<Single, 'role' | 'reference'>, { quick }: BenchOptions): Promise<Sides> {
  const stage = await openIngestStage(single.role);
  const { service } = stage;
  const reference = await startReference(single.reference, [stage.reference.nats.url, TEST_SECRET]);
  const client = await BenchClient.of(service.port, 1);
  const backlog = new Backlog(client);
  const load = (port: number) => postTo(port, '/metrics/events', [LOGIN], CONNECTIONS, stage);
  const common = { eventsPerRequest: 1, pid: service.pid };
  const ours: Target = {
    ...common,
    log: stage.ours,
    load: load(service.port),
    ownCpu: [],
    natsCpu: [],
    ...(single.role === 'all' ? { settle: () => backlog.drain() } : {}),
  };
  const theirs: Target = {
    ...common,
    log: stage.reference,
    load: load(reference.port),
    pid: reference.pid,
    ownCpu: [],
    natsCpu: [],
  };
  // A try needs no results, and the suite, which tries one case, no more processor time than it takes.
  if (!quick) for (const side of [ours, theirs]) await measure(side, WARM_UP_SECONDS);
  backlog.forget();
  const seconds = quick ? QUICK_SECONDS : SECONDS;
  return {
    ours: () => measure(ours, seconds),
    reference: () => measure(theirs, seconds),
    figures: async () => [...backlog.figures(), ...costsOf(ours)],
    close: async () => {
      client.close();
      await reference.end();
      await stage.close();
    },
  };
}

/** What the projector has not folded in when the load ends. */
class Backlog {
  readonly #events: number[] = [];
  readonly #drainedMs: number[] = [];

  constructor(private readonly client: BenchClient) {}

  /** Notes how much there is, and waits until there is none, so that each sample begins without. */
  async drain(): Promise<void> {
    const startedMs = performance.now();
    const { projections } = JSON.parse(await this.client.send('GET', '/health/detailed')) as OperationalStatus;
    this.#events.push(projections.find(({ name }) => name === 'tables')?.lag_events ?? Number.NaN);
    await untilFolded(this.client);
    this.#drainedMs.push(performance.now() - startedMs);
  }

  forget(): void {
    this.#events.length = 0;
    this.#drainedMs.length = 0;
  }

  figures(): Figure[] {
    if (this.#events.length === 0) return [];
    return [
      { what: 'not yet in the tables when the load ends, median', value: median(this.#events), unit: 'events' },
      { what: 'and at most', value: Math.max(...this.#events), unit: 'events' },
      { what: 'in tables, summaries and sessions after, median', value: median(this.#drainedMs), unit: 'ms' },
    ];
  }
}

async function prepareBatch({ quick }: BenchOptions): Promise<Sides> {
  const stage = await openIngestStage('api');
  const bodies = batchEvents().map((events) =>
    JSON.stringify({ events: events.map(({ kind, body }) => ({ kind, ...body })) }),
  );
  const [seconds, warmUp] = quick ? [QUICK_SECONDS, QUICK_SECONDS] : [BATCH_SECONDS, WARM_UP_SECONDS];
  const ours: Target = {
    log: stage.ours,
    load: postTo(stage.service.port, '/metrics/events/batch', bodies, BATCH_CONNECTIONS, stage),
    eventsPerRequest: EVENTS_PER_BATCH,
    pid: stage.service.pid,
    ownCpu: [],
    natsCpu: [],
  };
  if (!quick) await measure(ours, warmUp);
  return {
    ours: () => measure(ours, seconds),
    reference: () => publish(stage.reference, seconds, warmUp / 3),
    figures: async () => costsOf(ours),
    close: stage.close,
  };
}

/** A publisher is a process for each sample, which warms up by itself. */
async function publish(log: CountedLog, seconds: number, warmUpSeconds: number): Promise<Sample> {
  const program = new URL('../references/publisher.js', import.meta.url).pathname;
  const args = [program, log.nats.url, String(seconds), String(warmUpSeconds)];
  const timeout = Math.ceil(seconds + warmUpSeconds) * 1000 + PUBLISHER_GRACE_MS;
  const published = await log.counted(
    async () => JSON.parse((await promisify(execFile)(process.execPath, args, { timeout })).stdout) as Published,
    ({ acknowledged }) => acknowledged,
  );
  const { events, seconds: took, cpuSeconds: cpu } = published;
  return { value: events / took, cpuSeconds: cpu, operations: events };
}
