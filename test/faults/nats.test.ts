import { setTimeout as sleep } from 'node:timers/promises';
import { type JetStreamManager, NatsError } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import type { OperationalStatus } from '../../src/queries/get-status.js';
import { SeededRandom } from '../support/random.js';
import { startTestNats, waitFor } from '../support/servers.js';
import { type Answer, startTestServers } from '../support/service.js';
import { assertInvariant, caughtUp, openStage, projected, type Stage } from './stage.js';
import { EventMaker, makeEvent, postBatch, publishToNats, sendBothWays } from './traffic.js';

const test = suite('NATS and the log are lost');

const FULL = process.env.METRICS_FAULTS === 'full';
const KILLS = FULL ? 20 : 2;
const EVENTS_PER_KILL = FULL ? 2_000 : 400;
const AWAY_MS = FULL ? 60_000 : 5_000;
/** More at once would wait for their PubAck longer than they do. */
const EVENTS_PER_CHUNK = 500;
const DELETIONS = FULL ? 10 : 1;
/** The short form runs beside other tests on whatever machine there is; a minute away is not what it measures. */
const SLOWNESS = FULL ? 1 : 3;
const CONSUMING_TIMEOUT_MS = 15_000 * SLOWNESS;
const RECOVERY_TIMEOUT_MS = 10_000 * SLOWNESS;
const NOTICE_TIMEOUT_MS = 30_000 * SLOWNESS;
const POSTERS = 4;
/** What a heap that is collected now and then may move by. */
const MAX_GROWTH_BYTES = 64 * 1024 * 1024;
const STORE_BYTES = 64 * 1024 * 1024;
const FILLER_BYTES = 512 * 1024;

let stage: Stage;
let nats: ManagedServer;
let manager: JetStreamManager;
let random: SeededRandom;
let maker: EventMaker;

test.before(async () => {
  random = SeededRandom.announced('nats');
  maker = new EventMaker(random, 'n');
  stage = await openStage(await startTestServers({ nats: await startTestNats({ storeBytes: STORE_BYTES }) }));
  nats = stage.servers.nats;
  manager = await stage.connection.jetstreamManager();
});

test.after(async () => {
  await stage?.close();
});

/** A single event that is in nobody's book: stored, it would be found as one that was not sent. */
const postUnbooked = (): Promise<Answer> =>
  stage.client.post('/metrics/events', makeEvent(random, 'no', Date.now()).body);
const health = (): Promise<Answer> => stage.client.get('/health/detailed');

function expectRefused({ status, headers, text }: Answer): void {
  assert.is(status, 503, text);
  assert.match(headers.get('retry-after') ?? '', /^\d+$/);
}

/** A number of the service's own from its scrape. */
async function scraped(series: string): Promise<number> {
  const { text } = await stage.client.get('/metrics/prometheus');
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return Number(line?.slice(series.length) ?? 0);
}

/** Sends one event as soon as it is taken, and answers after how many ms it was in its table. */
async function consumingAfter(boundMs: number): Promise<number> {
  const startedMs = performance.now();
  await postBatch(stage.client, stage.ledger, maker.make(1));
  await projected(stage, boundMs);
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs < boundMs, `${Math.round(tookMs)} ms`);
  return tookMs;
}

test(`fault 4: nats-server is killed ${KILLS} times under load: nothing acknowledged is lost, and it is read again`, async () => {
  const { pid } = stage.service;
  const tookMs: number[] = [];
  for (let kill = 0; kill < KILLS; kill += 1) {
    const sending = sendBothWays(stage, maker.make(EVENTS_PER_KILL));
    await sleep(random.integer(0, 100));
    await nats.kill();
    await nats.start();
    tookMs.push(await consumingAfter(CONSUMING_TIMEOUT_MS));
    await sending;
  }
  assert.is(stage.service.pid, pid);
  const { rows } = await assertInvariant(stage);
  console.log(
    `fault 4: nats-server killed ${KILLS} times, consuming after at most ${Math.round(Math.max(...tookMs))} ms; ${rows} rows`,
  );
});

/** Posts until a time has come, and expects that each post is refused; answers how many were. */
async function postInVain(untilMs: number): Promise<number> {
  let refused = 0;
  for (; performance.now() < untilMs; refused += 1) {
    expectRefused(await postUnbooked());
    await sleep(20);
  }
  return refused;
}

test(`fault 5: NATS is away for ${AWAY_MS / 1000} s: 503 with Retry-After, questions are answered, memory is flat`, async () => {
  await nats.kill();
  const endMs = performance.now() + AWAY_MS;
  await postInVain(performance.now() + AWAY_MS / 5);
  const beforeBytes = await scraped('process_resident_memory_bytes');
  const posters = Array.from({ length: POSTERS }, () => postInVain(endMs));
  assert.is((await stage.client.get('/metrics/summary')).status, 200);
  assert.is((await health()).status, 503);
  assert.is((await stage.client.get('/health')).status, 200);
  const refused = (await Promise.all(posters)).reduce((sum, each) => sum + each, 0);
  const grownBytes = (await scraped('process_resident_memory_bytes')) - beforeBytes;
  assert.ok(grownBytes < MAX_GROWTH_BYTES, `memory grew by ${grownBytes} bytes`);
  await nats.start();
  const tookMs = await consumingAfter(RECOVERY_TIMEOUT_MS);
  await assertInvariant(stage);
  const grownMiB = Math.round(grownBytes / 1024 / 1024);
  console.log(
    `fault 5: away ${AWAY_MS} ms, ${refused} posts refused, ${grownMiB} MiB more, back after ${Math.round(tookMs)} ms`,
  );
});

test('fault 6: NATS is stopped: no 202 without a PubAck, and that is noticed within 30 s', async () => {
  const disconnected = (): Promise<number> => scraped('metrics_service_appends_refused_total{reason="disconnected"}');
  const before = await disconnected();
  nats.signal('SIGSTOP');
  const stoppedMs = performance.now();
  let refused = 0;
  try {
    const refusedAtOnce = async (): Promise<true | undefined> => {
      // What is written to a connection that is half open may be stored when the server wakes: each 0 or 1 times.
      for (const { id, table, body } of maker.make(1)) {
        stage.ledger.enter(id, table);
        expectRefused(await stage.client.post('/metrics/events', body));
      }
      refused += 1;
      return (await disconnected()) > before ? true : undefined;
    };
    await waitFor('the connection to be known as broken', refusedAtOnce, NOTICE_TIMEOUT_MS);
  } finally {
    nats.signal('SIGCONT');
  }
  const noticedMs = Math.round(performance.now() - stoppedMs);
  const tookMs = await consumingAfter(CONSUMING_TIMEOUT_MS);
  await assertInvariant(stage);
  console.log(
    `fault 6: ${refused} posts refused, noticed after ${noticedMs} ms, consuming after ${Math.round(tookMs)} ms`,
  );
});

test(`fault 8: the durable consumer is deleted ${DELETIONS} times: it is made again from the checkpoint`, async () => {
  for (let round = 0; round < DELETIONS; round += 1) {
    const sending = sendBothWays(stage, maker.make(EVENTS_PER_KILL));
    // It may be away at this moment, because the last deletion is being made good.
    const deleted = () => manager.consumers.delete('METRICS', 'projector').catch(() => undefined);
    assert.ok(await waitFor('the consumer', deleted, NOTICE_TIMEOUT_MS));
    await sending;
  }
  const { rows } = await assertInvariant(stage);
  assert.is((await manager.consumers.info('METRICS', 'projector')).name, 'projector');
  console.log(`fault 8: deleted ${DELETIONS} times; ${rows} rows`);
});

/** Fills what the server gives JetStream to store, with another stream. */
async function fillStore(): Promise<void> {
  await manager.streams.add({ name: 'FILLER', subjects: ['filler'] });
  const payload = new Uint8Array(FILLER_BYTES);
  for (let sent = 0; sent <= STORE_BYTES / FILLER_BYTES; sent += 1) {
    const isFull = await stage.jetstream.publish('filler', payload).then(
      () => false,
      (error: unknown) => error instanceof NatsError && error.api_error !== undefined,
    );
    if (isFull) return;
  }
  throw new Error('the store does not fill');
}

test('fault 19: the store is full: 503, and no old event is dropped', async () => {
  await caughtUp(stage);
  const { state } = await manager.streams.info('METRICS');
  await fillStore();
  const sending = sendBothWays(stage, maker.make(EVENTS_PER_KILL));
  const refused: Answer[] = [];
  for (const { id, table, body } of maker.make(20)) {
    stage.ledger.enter(id, table);
    refused.push(await stage.client.post('/metrics/events', body));
  }
  const full = (await manager.streams.info('METRICS')).state;
  await manager.streams.delete('FILLER');
  for (const answer of refused) expectRefused(answer);
  assert.equal([full.first_seq, full.last_seq], [state.first_seq, state.last_seq]);
  assert.is(full.messages, state.messages);
  await sending;
  const { rows } = await assertInvariant(stage);
  console.log(
    `fault 19: ${refused.length} posts refused, all ${full.messages} messages still there; ${rows} rows in the end`,
  );
});

test('fault 7: the stream is made anew: the projector stops and says so, nothing is skipped or doubled', async () => {
  const tables = async () => {
    const { projections } = (await health()).json() as OperationalStatus;
    return projections.find(({ name }) => name === 'tables');
  };
  await caughtUp(stage);
  const before = await stage.ledger.audit(stage.pool);
  const { config, state } = await manager.streams.info('METRICS');
  await manager.streams.delete('METRICS');
  expectRefused(await postUnbooked());
  assert.is((await health()).status, 503);
  await manager.streams.add(config);
  // Acknowledged by the log that is there now; they would be lost if the projector went on behind its checkpoint.
  await publishToNats(stage.jetstream, stage.ledger, maker.make(50));
  const isHalted = async (): Promise<true | undefined> => (await tables())?.reason?.includes('ends at') || undefined;
  await waitFor('the halt of a log that is shorter', isHalted, NOTICE_TIMEOUT_MS);
  assert.is((await health()).status, 503);

  // Longer than the checkpoint it is another log all the same.
  for (let left = state.last_seq; left > 0; left -= EVENTS_PER_CHUNK) {
    await publishToNats(stage.jetstream, stage.ledger, maker.make(Math.min(left, EVENTS_PER_CHUNK)));
  }
  await stage.service.end('SIGTERM');
  await stage.service.start();
  const isAnother = async (): Promise<true | undefined> =>
    (await tables())?.reason?.includes('another event') || undefined;
  await waitFor('the halt of a log that is another one', isAnother, NOTICE_TIMEOUT_MS);
  const after = await stage.ledger.audit(stage.pool);
  assert.equal([after.rows, after.doubled, after.foreign], [before.rows, [], []]);
  console.log(`fault 7: halted twice at ${state.last_seq}; ${after.rows} rows, as before`);
});

test.run();
