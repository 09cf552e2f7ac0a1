import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Redis } from 'ioredis';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import { readPosition } from '../../src/store/summary-position.js';
import { openStore, type TestStore } from '../support/database.js';
import { dumpSummaries } from '../support/direct-projection.js';
import { DYING_POINTS, type DyingPoint } from '../support/dying-points.js';
import { openLog, type TestLog } from '../support/log.js';
import { newSummaryWorker, testRedis, untilProjected } from '../support/projection.js';
import { SeededRandom } from '../support/random.js';
import { startTestNats, startTestRedis, waitFor } from '../support/servers.js';
import { Ledger } from './ledger.js';
import { makeEvent, publishToNats } from './traffic.js';

const DEATHS = process.env.METRICS_FAULTS === 'full' ? 50 : 5;
/** Sent at a time, with a pause, so that a batch is there whenever the process gets so far. */
const EVENTS_PER_ROUND = 20;
const PAUSE_MS = 30;
const MAX_OCCURRENCE = 3;
const BOUND_MS = 60_000;

interface Context {
  nats: ManagedServer;
  redisServer: ManagedServer;
  log: TestLog;
  store: TestStore;
  redis: Redis;
}
const context: Partial<Context> & { children: ChildProcess[] } = { children: [] };
const test = suite('dying in the path of projections');
function need<K extends keyof Context>(key: K): Context[K] {
  const value = context[key];
  if (value === undefined) throw new Error(`${key} is not there`);
  return value as Context[K];
}

const random = SeededRandom.announced('dying');
const ledger = new Ledger();
let sent = 0;

test.before(async () => {
  [context.nats, context.redisServer] = await Promise.all([startTestNats(), startTestRedis()]);
  context.log = await openLog(need('nats').url);
  context.store = await openStore();
  context.redis = testRedis(need('redisServer'));
});
test.after(async () => {
  for (const child of context.children) child.kill('SIGKILL');
  context.redis?.disconnect();
  await context.log?.close();
  await context.store?.close();
  await Promise.all([context.nats?.stop(), context.redisServer?.stop()]);
});

function spawnChild(point: DyingPoint | 'never', occurrence: number): ChildProcess {
  const program = fileURLToPath(new URL('../support/run-dying.js', import.meta.url));
  const holder = `${point}-${context.children.length}`;
  const args = [program, need('nats').url, need('store').url, String(need('redisServer').port), holder, point];
  const child = spawn(process.execPath, [...args, String(occurrence)], { stdio: ['ignore', 'ignore', 'inherit'] });
  context.children.push(child);
  return child;
}

async function send(): Promise<void> {
  const events = Array.from({ length: EVENTS_PER_ROUND }, () => makeEvent(random, `d-${sent++}`, Date.now()));
  await publishToNats(need('log').connection.jetstream(), ledger, events);
}

/** Sends until the process has died, as it was told to. */
async function untilDead(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit').then(([, signal]) => signal);
  const state: { signal?: unknown } = {};
  void exited.then((signal) => {
    state.signal = signal;
  });
  const deadlineMs = performance.now() + BOUND_MS;
  while (state.signal === undefined && performance.now() < deadlineMs) {
    await send();
    await sleep(PAUSE_MS);
  }
  assert.is(state.signal, 'SIGKILL');
}

/** Nothing lost, nothing doubled, and the summaries are what a fold of the tables gives. */
async function assertWhole(): Promise<void> {
  const { pool } = need('store');
  const sequence = await untilProjected(need('log'), need('store'), undefined, BOUND_MS);
  await waitFor(
    'the summaries',
    async () => ((await readPosition(need('redis')))?.position === String(sequence) ? true : undefined),
    BOUND_MS,
  );
  const { missing, doubled, foreign, rows } = await ledger.audit(pool);
  assert.equal({ missing, doubled, foreign, rows }, { missing: [], doubled: [], foreign: [], rows: sent });
  const folded = await dumpSummaries(need('redis'));
  const { meta: _meta, ...counts } = folded;
  assert.ok(Object.keys(counts).length > 5);
  for (const child of context.children.splice(0)) {
    const exited = once(child, 'exit');
    if (child.kill('SIGKILL')) await exited;
  }
  await need('redis').flushall();
  const worker = newSummaryWorker(need('store'), need('redis'));
  worker.start();
  await waitFor(
    'the summaries, built anew',
    async () => ((await readPosition(need('redis')))?.position === String(sequence) ? true : undefined),
    BOUND_MS,
  );
  await worker.stop();
  const { meta: _rebuilt, ...rebuilt } = await dumpSummaries(need('redis'));
  assert.equal(counts, rebuilt);
}

for (const point of DYING_POINTS) {
  test(`fault 3: ${DEATHS} times dead ${point.replace('_', ' ')}: each event once in its table and in the summaries`, async () => {
    for (let death = 0; death < DEATHS; death += 1) {
      await untilDead(spawnChild(point, random.integer(1, MAX_OCCURRENCE)));
    }
    spawnChild('never', 1);
    await assertWhole();
    console.log(`fault 3: dead ${point} ${DEATHS} times; ${sent} events so far, each once`);
  });
}

test.run();
