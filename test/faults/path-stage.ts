import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Redis } from 'ioredis';
import * as assert from 'uvu/assert';
import { readPosition } from '../../src/store/summary-position.js';
import { openStore, type TestStore } from '../support/database.js';
import { dumpSummaries } from '../support/direct-projection.js';
import type { DyingPoint } from '../support/dying-points.js';
import { openLog, type TestLog } from '../support/log.js';
import { programPath } from '../support/programs.js';
import { newSummaryWorker, testRedis, untilProjected } from '../support/projection.js';
import { SeededRandom } from '../support/random.js';
import { startTestNats, startTestRedis, waitFor } from '../support/servers.js';
import { Ledger } from './ledger.js';
import { makeEvent, publishToNats } from './traffic.js';

/** Sent at a time, with a pause, so that a batch is there whenever the process gets so far. */
const EVENTS_PER_ROUND = 20;
const BOUND_MS = 60_000;
const DYING = programPath('test/support/run-dying.js');

/** Projector and summary worker in a process of their own. */
export interface PathProcess {
  readonly holder: string;
  readonly child: ChildProcess;
  /** What it printed: that it is at its point, and its states. */
  readonly lines: readonly string[];
}

export interface Fate {
  readonly point: DyingPoint | 'never';
  /** Which passing of the point; the first unless given. */
  readonly occurrence?: number;
  readonly signal?: 'SIGKILL' | 'SIGSTOP';
}

/** The path of projections: a log, a database, a Redis, and processes between them that die or stop at points of it. */
export class PathStage {
  readonly ledger = new Ledger();
  readonly #processes: PathProcess[] = [];
  #sent = 0;
  #spawned = 0;

  private constructor(
    readonly random: SeededRandom,
    readonly log: TestLog,
    readonly store: TestStore,
    readonly redis: Redis,
    private readonly natsUrl: string,
    private readonly redisPort: number,
    private readonly stopServers: () => Promise<unknown>,
  ) {}

  /** @param purpose what the seed is announced for */
  static async open(purpose: string): Promise<PathStage> {
    const random = SeededRandom.announced(purpose);
    const [nats, redis] = await Promise.all([startTestNats(), startTestRedis()]);
    const stop = (): Promise<unknown> => Promise.all([nats.stop(), redis.stop()]);
    const [log, store] = [await openLog(nats.url), await openStore()];
    return new PathStage(random, log, store, testRedis(redis), nats.url, redis.port, stop);
  }

  /** How many events were sent. */
  get sent(): number {
    return this.#sent;
  }

  async close(): Promise<void> {
    await this.endProcesses();
    this.redis.disconnect();
    await this.log.close();
    await this.store.close();
    await this.stopServers();
  }

  spawn({ point, occurrence = 1, signal = 'SIGKILL' }: Fate): PathProcess {
    this.#spawned += 1;
    const holder = `${point}-${this.#spawned}`;
    const servers = [this.natsUrl, this.store.url, String(this.redisPort)];
    const args = [DYING, ...servers, holder, point, String(occurrence), signal];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    const started = { holder, child, lines };
    this.#processes.push(started);
    return started;
  }

  async endProcesses(): Promise<void> {
    for (const { child } of this.#processes.splice(0)) {
      const exited = once(child, 'exit');
      if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')) await exited;
    }
  }

  async send(): Promise<void> {
    const make = () => makeEvent(this.random, `d-${this.#sent++}`, Date.now());
    await publishToNats(this.log.connection.jetstream(), this.ledger, Array.from({ length: EVENTS_PER_ROUND }, make));
  }

  /** Waits until tables and summaries contain the log. */
  async caughtUp(): Promise<void> {
    const sequence = await untilProjected(this.log, this.store, undefined, BOUND_MS);
    await this.#summariesAt(sequence);
  }

  async #summariesAt(sequence: number): Promise<void> {
    await waitFor(
      'the summaries',
      async () => ((await readPosition(this.redis))?.position === String(sequence) ? true : undefined),
      BOUND_MS,
    );
  }

  /** Nothing lost, nothing doubled, and the summaries are what a fold of the tables gives. Ends all processes. */
  async assertWhole(): Promise<void> {
    await this.caughtUp();
    const { missing, doubled, foreign, rows } = await this.ledger.audit(this.store.pool);
    assert.equal({ missing, doubled, foreign, rows }, { missing: [], doubled: [], foreign: [], rows: this.#sent });
    const { meta: _meta, ...counts } = await dumpSummaries(this.redis);
    assert.ok(Object.keys(counts).length > 5);
    await this.endProcesses();
    await this.redis.flushall();
    const worker = newSummaryWorker(this.store, this.redis);
    worker.start();
    await this.#summariesAt(this.#sent);
    await worker.stop();
    const { meta: _rebuilt, ...rebuilt } = await dumpSummaries(this.redis);
    assert.equal(counts, rebuilt);
  }
}
