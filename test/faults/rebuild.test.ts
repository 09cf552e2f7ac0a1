import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AlertMessage } from '../../src/alerts/alert.js';
import { readRebuildState, tablesIn } from '../../src/projections/rebuild/rebuild-state.js';
import type { Dashboard } from '../../src/queries/dashboard.js';
import type { Summary } from '../../src/queries/summary.js';
import { EVENT_TABLES, LIVE_SCHEMA } from '../../src/store/partitions.js';
import { runHere } from '../support/command-line.js';
import { CommandProcess } from '../support/command-process.js';
import { count } from '../support/database.js';
import { SeededRandom } from '../support/random.js';
import { traces } from '../support/rebuild-stage.js';
import { waitFor } from '../support/servers.js';
import { startTestServers } from '../support/service.js';
import { assertInvariant, caughtUp, openStage, type Stage } from './stage.js';
import { EventMaker, publishToNats, type SentEvent } from './traffic.js';

const test = suite('A rebuild is killed');

const FULL = process.env.METRICS_FAULTS === 'full';
const KILLS = FULL ? 10 : 2;
const EVENTS = FULL ? 60_000 : 4_000;
const EVENTS_PER_CHUNK = 500;
const EVENTS_PER_TICK = 10;
const TICK_MS = 200;
const STEP_TIMEOUT_MS = 240_000;
/** Fires once for each service that has errors, which go on as long as the test does. */
const RULES = `
alerts:
  - { name: errors, condition: errors > 3, window: 30m }
`;

const random = SeededRandom.announced('rebuild killed');

/** Where a rebuild is killed. */
const POINTS = ['folding', 'swapped', 'anywhere'] as const;
type Point = (typeof POINTS)[number];

/** Waits until the rebuild is there; it may have ended before. */
async function untilAt({ pool }: Stage, rebuild: CommandProcess, point: Point, share: number): Promise<void> {
  const isThere = async (): Promise<boolean> => {
    if (point === 'swapped') return (await readRebuildState(pool)).replaced !== undefined;
    const folded = await count(
      pool,
      `select coalesce(max(sequence), 0) as count from projection_checkpoints where name = 'rebuild'`,
    );
    return folded > share * EVENTS;
  };
  await waitFor(
    `the rebuild ${point}`,
    async () => (rebuild.hasEnded || (await isThere()) ? true : undefined),
    STEP_TIMEOUT_MS,
  );
  if (point === 'anywhere') await sleep(random.integer(0, 3_000));
}

/** Begins a rebuild, or goes on with it, and kills it. @returns false where it was faster */
async function killOne(stage: Stage, point: Point): Promise<boolean> {
  const { candidate, replaced } = await readRebuildState(stage.pool);
  const args = candidate === undefined && replaced === undefined ? ['all'] : ['--resume'];
  // One that clears up behind a swap has nothing else left to do.
  const at: Point = candidate === undefined && replaced !== undefined ? 'anywhere' : point;
  const rebuild = new CommandProcess(['rebuild', ...args], stage.servers.env);
  await untilAt(stage, rebuild, at, random.next());
  const how = await rebuild.kill();
  if (how !== 'SIGKILL') assert.is(how, 0, rebuild.output);
  const after = await readRebuildState(stage.pool);
  assert.equal(await tablesIn(stage.pool, LIVE_SCHEMA), EVENT_TABLES, 'all or nothing');
  const [tables, others] = [after.candidate?.tables ?? [], after.replaced?.tables ?? []];
  assert.ok([0, EVENT_TABLES.length].includes(tables.length) && [0, EVENT_TABLES.length].includes(others.length));
  console.log(
    `${args.join(' ')} ${at}: ${how}; ${after.candidate?.checkpoint.sequence ?? 'no'} folded, ${
      after.replaced === undefined ? 'not swapped' : 'swapped'
    }`,
  );
  return how === 'SIGKILL';
}

interface Readers {
  readonly answers: () => number;
  /** @throws where an answer failed or was empty */
  stop(): Promise<void>;
}

/** Asks without end: what is answered never falls below what was there at the beginning. */
async function startReaders({ client, pool }: Stage): Promise<Readers> {
  const lowest = new Map<string, number>();
  for (const table of EVENT_TABLES) lowest.set(table, await count(pool, `select count(*) from ${table}`));
  const requests = lowest.get('api_metrics') ?? 0;
  let answers = 0;
  let reading = true;
  const loop = async (ask: () => Promise<void>): Promise<void> => {
    while (reading) {
      await ask();
      answers += 1;
      await sleep(TICK_MS);
    }
  };
  const rows = async (): Promise<void> => {
    for (const [table, least] of lowest) {
      const found = await count(pool, `select count(*) from ${table}`);
      assert.ok(found >= least, `${table} had ${least} rows, and now ${found}`);
    }
  };
  const summary = async (): Promise<void> => {
    const answer = await client.get('/metrics/summary?window=24h');
    assert.is(answer.status, 200, answer.text);
    const { api } = answer.json() as Summary;
    assert.ok(api.requests >= requests, `${api.requests} of ${requests} requests`);
  };
  const dashboard = async (): Promise<void> => {
    const [from, to] = [Date.now() - 7_200_000, Date.now()].map((timeMs) => new Date(timeMs).toISOString());
    const answer = await client.get(`/metrics/dashboard?from=${from}&to=${to}`);
    assert.is(answer.status, 200, answer.text);
    const { series } = answer.json() as Dashboard;
    const sum = series.requests.reduce((total, { value }) => total + (value ?? 0), 0);
    assert.ok(sum >= requests, `${sum} of ${requests} requests`);
  };
  const loops = Promise.all([rows, summary, dashboard].map(loop));
  loops.catch(() => undefined);
  return {
    answers: () => answers,
    stop: async () => {
      reading = false;
      await loops;
    },
  };
}

/** Events of all kinds, and errors of now, for as long as the test goes on. */
function startTraffic(stage: Stage, maker: EventMaker): { stop(): Promise<void> } {
  let sending = true;
  let errors = 0;
  const error = (): SentEvent => {
    errors += 1;
    const id = `error-${errors}`;
    const body = { id, kind: 'api', service_name: 'web', endpoint: '/', method: 'GET', status_code: 500 };
    return { id, table: 'api_metrics', subject: 'metrics.events.api.web', body };
  };
  const loop = (async () => {
    while (sending) {
      await publishToNats(stage.jetstream, stage.ledger, [...maker.make(EVENTS_PER_TICK), error()]);
      await sleep(TICK_MS);
    }
  })();
  return {
    stop: async () => {
      sending = false;
      await loop;
    },
  };
}

/** What was published of which service: `firing web`. */
async function alertsTold({ connection }: Stage): Promise<readonly string[]> {
  const manager = await connection.jetstreamManager();
  const { messages } = (await manager.streams.info('METRICS_ALERTS')).state;
  const told: string[] = [];
  for (let seq = 1; seq <= messages; seq += 1) {
    const { data } = await manager.streams.getMessage('METRICS_ALERTS', { seq });
    const { status, labels } = JSON.parse(Buffer.from(data).toString()) as AlertMessage;
    told.push(`${status} ${labels.service_name}`);
  }
  return told;
}

test(`fault 15: a rebuild under traffic is killed ${KILLS} times: all or nothing, no alert again, no empty answer`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'metrics-rebuild-'));
  writeFileSync(join(folder, 'alerts.yaml'), RULES);
  const servers = await startTestServers();
  const env = { ALERTS_FILE: join(folder, 'alerts.yaml'), ALERT_EVALUATION_INTERVAL: '1' };
  const stage = await openStage({ ...servers, env: { ...servers.env, ...env } });
  try {
    const maker = new EventMaker(random, 'r');
    for (let sent = 0; sent < EVENTS; sent += EVENTS_PER_CHUNK) {
      await publishToNats(stage.jetstream, stage.ledger, maker.make(EVENTS_PER_CHUNK));
    }
    const traffic = startTraffic(stage, maker);
    const isTold = async (): Promise<true | undefined> =>
      (await alertsTold(stage)).includes('firing web') ? true : undefined;
    await waitFor('the alert', isTold, STEP_TIMEOUT_MS);
    await caughtUp(stage);
    const readers = await startReaders(stage);
    let kills = 0;
    for (let tries = 0; kills < KILLS; tries += 1) {
      assert.ok(tries < KILLS * 4, 'the rebuild was faster every time');
      if (await killOne(stage, POINTS[kills % POINTS.length] ?? 'folding')) kills += 1;
    }
    const { candidate, replaced } = await readRebuildState(stage.pool);
    const rest = candidate === undefined && replaced === undefined ? 'all' : '--resume';
    const last = new CommandProcess(['rebuild', rest], stage.servers.env);
    assert.is(await last.ended(), 0, last.output);
    await readers.stop();
    await traffic.stop();

    const report = await assertInvariant(stage);
    assert.is(report.acknowledged, report.rows);
    assert.equal(await traces(stage), []);
    const verified = await runHere(['verify'], stage.servers.env);
    assert.is(verified.status, 0, verified.stdout);
    const told = await alertsTold(stage);
    assert.ok(told.includes('firing web'));
    assert.equal([...new Set(told)], told, 'no alert again');
    assert.equal(
      told.filter((each) => !each.startsWith('firing ')),
      [],
    );
    console.log(`killed ${kills} times; ${report.rows} rows, each once; ${readers.answers()} answers, none empty`);
  } finally {
    await stage.close();
    rmSync(folder, { recursive: true });
  }
});

test.run();
