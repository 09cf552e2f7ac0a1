import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { signToken, TOKEN_DEFAULTS } from '../../src/cli/token.js';
import type { LogEvent } from '../../src/events/kinds.js';
import { TEST_SECRET } from '../../test/support/service.js';
import type { BenchCase, BenchOptions, Sample, Sides } from '../harness/case.js';
import { BenchClient } from '../http-client.js';
import { type Load, loadFor } from '../http-load.js';
import { borrowStage } from '../kept-stage.js';
import { cpuSeconds } from '../processes.js';
import { RealisticEvents } from '../realistic-events.js';
import { type ReferenceProcess, startReference } from '../reference-process.js';
import { openStage, type Stage } from '../stage.js';

const CONNECTIONS = 64;
const SECONDS = 5;
const QUICK_SECONDS = 2;
const WARM_UP_SECONDS = 1;
const DAY_MS = 86_400_000;
const SPAN_MS = 30 * DAY_MS;
const EVENTS = 500_000;
const QUICK_EVENTS = 20_000;
/** While the service is measured, so that what it keeps of earlier answers is outdated as often as in real life. */
const EVENTS_PER_SECOND = 10;
/** Not the service's own. */
const REFERENCE_DB = 1;
const REFERENCE_KEY = 'answer';

interface Question {
  readonly name: string;
  readonly title: string;
  readonly goal: number;
  readonly path: string;
  /** What the reference does: a GET of Redis, or nothing. */
  readonly reference: 'redis' | 'constant';
  /** Questions that are asked of the same events share a stage. */
  readonly events: 'realistic' | 'fifty endpoints' | 'a thousand endpoints';
}

const QUESTIONS: readonly Question[] = [
  {
    name: 'summary',
    title: 'GET /metrics/summary, 64 connections, against Fastify with one GET of Redis',
    goal: 0.8,
    path: '/metrics/summary',
    reference: 'redis',
    events: 'realistic',
  },
  {
    name: 'dashboard',
    title: 'GET /metrics/dashboard of 30 days, 64 connections, against Fastify with one GET of Redis',
    goal: 0.5,
    path: '/metrics/dashboard?from=-30d',
    reference: 'redis',
    events: 'realistic',
  },
  {
    name: 'prometheus',
    title: 'GET /metrics/prometheus of 1,000 series, 64 connections, against Fastify with a constant text',
    goal: 0.3,
    path: '/metrics/prometheus',
    reference: 'constant',
    events: 'fifty endpoints',
  },
  {
    name: 'prometheus-full',
    title: 'the same with 1,000 endpoints, the most that have series of their own',
    goal: 0.3,
    path: '/metrics/prometheus',
    reference: 'constant',
    events: 'a thousand endpoints',
  },
];

/** Each question while 10 events a second come in, and while nothing does. */
export const reading: readonly BenchCase[] = QUESTIONS.flatMap((question) => [
  {
    name: question.name,
    title: `${question.title}, while 10 events/s come in`,
    unit: 'requests/s',
    goal: { atLeast: question.goal },
    prepare: (options: BenchOptions) => prepare(question, true, options),
  },
  {
    name: `${question.name}-quiet`,
    title: `${question.title}, while no events come in`,
    unit: 'requests/s',
    goal: { atLeast: question.goal },
    prepare: (options: BenchOptions) => prepare(question, false, options),
  },
]);

async function openFilled(events: Question['events'], { quick }: BenchOptions): Promise<Stage> {
  const stage = await openStage();
  try {
    if (events === 'realistic') await fillRealistic(stage, quick ? QUICK_EVENTS : EVENTS);
    else await fillEndpoints(stage, events === 'fifty endpoints' ? 50 : 1_000);
    return stage;
  } catch (error) {
    await stage.close();
    throw error;
  }
}

async function fillRealistic(stage: Stage, count: number): Promise<void> {
  const events = new RealisticEvents(1);
  const fromMs = Date.now() - SPAN_MS;
  const timeMsOf = (sequence: number): number => fromMs + (sequence / count) * SPAN_MS;
  await stage.fill(count, (first, some) => events.inOrder(first, some, timeMsOf));
}

/** Requests of so many endpoints, ten each. */
async function fillEndpoints(stage: Stage, endpoints: number): Promise<void> {
  await stage.fill(endpoints * 10, (first, count) =>
    Array.from({ length: count }, (_, index) => requestOf(first + index, endpoints)),
  );
}

function requestOf(sequence: number, endpoints: number): LogEvent {
  const endpoint = sequence % endpoints;
  return {
    kind: 'api',
    body: {
      service_name: `service-${endpoint % 20}`,
      // Without digits, which would be taken for an id.
      endpoint: `/resource-${[...String(endpoint)].map((digit) => 'abcdefghij'[Number(digit)]).join('')}`,
      method: 'GET',
      status_code: 200,
      response_time_ms: 1 + (sequence % 500),
    },
    id: `stored-${sequence}`,
    sequence,
    occurredAtMs: Date.now(),
    timeFromLog: false,
  };
}

async function prepare(question: Question, isLive: boolean, options: BenchOptions): Promise<Sides> {
  const { stage, giveBack } = await borrowStage(question.events, () => openFilled(question.events, options));
  const client = await BenchClient.of(stage.service.port, 1);
  const reference = await startWithAnswer(question, stage, client).catch((error: unknown) => {
    giveBack();
    throw error;
  });
  const token = await signToken(TEST_SECRET, TOKEN_DEFAULTS);
  const seconds = options.quick ? QUICK_SECONDS : SECONDS;
  const ofService = {
    url: `http://127.0.0.1:${stage.service.port}${question.path}`,
    headers: { authorization: `Bearer ${token}` },
  };
  const ofReference = { url: `http://127.0.0.1:${reference.port}/`, headers: {} };
  return {
    ours: async () => {
      const stop = isLive ? keepPosting(client) : () => Promise.resolve();
      const sample = await measure(ofService, seconds, stage.service.pid);
      await stop();
      return sample;
    },
    reference: () => measure(ofReference, seconds, reference.pid),
    close: async () => {
      client.close();
      await reference.end();
      giveBack();
    },
  };
}

/** Gives the reference the very bytes that the service answers now. */
async function startWithAnswer(question: Question, stage: Stage, client: BenchClient): Promise<ReferenceProcess> {
  const answer = await client.send('GET', question.path);
  if (question.name === 'summary' && !answer.includes('"source":"redis"')) throw new Error('It came from Postgres');
  const { port } = stage.servers.redis;
  const redis = new Redis({ host: '127.0.0.1', port, db: REFERENCE_DB, lazyConnect: true });
  await redis.connect();
  await redis.set(REFERENCE_KEY, answer);
  redis.disconnect();
  const contentType = question.reference === 'redis' ? 'application/json; charset=utf-8' : 'text/plain; version=0.0.4';
  return await startReference('reading', [
    question.reference,
    String(port),
    String(REFERENCE_DB),
    REFERENCE_KEY,
    contentType,
  ]);
}

async function measure(
  target: Pick<Load, 'url' | 'headers'>,
  seconds: number,
  pid: number | undefined,
): Promise<Sample> {
  await loadFor({ ...target, connections: CONNECTIONS, seconds: WARM_UP_SECONDS });
  const before = cpuSeconds(pid);
  const { requests } = await loadFor({ ...target, connections: CONNECTIONS, seconds });
  return { value: requests / seconds, cpuSeconds: cpuSeconds(pid) - before, operations: requests };
}

/** Posts events at their rate until the answered function is called. It throws what went wrong meanwhile. */
function keepPosting(client: BenchClient): () => Promise<void> {
  const events = new RealisticEvents(2);
  let isStopped = false;
  const post = async (): Promise<void> => {
    while (!isStopped) {
      const { kind, body } = events.body();
      await Promise.all([
        client.send('POST', '/metrics/events', JSON.stringify({ kind, ...body })),
        sleep(1000 / EVENTS_PER_SECOND),
      ]);
    }
  };
  const posting = post();
  // Taken up where it is awaited.
  posting.catch(() => undefined);
  return async () => {
    isStopped = true;
    await posting;
  };
}
