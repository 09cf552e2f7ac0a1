import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SeededRandom } from '../support/random.js';
import { assertInvariant, openStage, type Stage } from './stage.js';
import { makeEvent, postBatch, publishToNats, type SentEvent } from './traffic.js';

const test = suite('The service is killed');

/** `npm run test:faults` tries it in full; `npm test` has the short form. */
const FULL = process.env.METRICS_FAULTS === 'full';
const KILLS = FULL ? 20 : 5;
const EVENTS = FULL ? 50_000 : 12_500;
const EVENTS_PER_CHUNK = 50;
/** From the start of the process: before it answers, while it catches up, and while it works. */
const MAX_LIFE_MS = 2_500;

/** Sends all events, half over NATS and half over HTTP, as fast as `gate` lets chunks through. */
async function sendAll(
  stage: Stage,
  events: readonly SentEvent[],
  gate: (chunk: number) => Promise<void>,
): Promise<void> {
  for (let chunk = 0; chunk * EVENTS_PER_CHUNK < events.length; chunk += 2) {
    await gate(chunk);
    const half = (index: number) => events.slice(index * EVENTS_PER_CHUNK, (index + 1) * EVENTS_PER_CHUNK);
    await Promise.all([
      publishToNats(stage.jetstream, stage.ledger, half(chunk)),
      postBatch(stage.client, stage.ledger, half(chunk + 1)),
    ]);
  }
}

test(`${KILLS} times with SIGKILL while ${EVENTS} events arrive: each is stored once, and the summary is right`, async () => {
  const random = SeededRandom.announced('killed');
  const stage = await openStage();
  try {
    const events = Array.from({ length: EVENTS }, (_, index) => makeEvent(random, `k-${index}`, Date.now()));
    const chunks = EVENTS / EVENTS_PER_CHUNK;
    let kills = 0;
    let released = 0;
    // The events are spread over the kills, so that some are in flight at each of them.
    const gate = async (chunk: number): Promise<void> => {
      while (chunk > released && kills < KILLS) await sleep(5);
    };
    const sending = sendAll(stage, events, gate);
    for (; kills < KILLS; kills += 1) {
      released = ((kills + 1) * chunks) / KILLS;
      await sleep(random.integer(0, MAX_LIFE_MS));
      await stage.service.end('SIGKILL');
      stage.service.spawn();
    }
    await stage.service.ready();
    await sending;
    const report = await assertInvariant(stage);
    assert.is(report.acknowledged, EVENTS);
    assert.is(report.rows, EVENTS);
    console.log(`killed ${kills} times; ${report.rows} rows, each once`);
  } finally {
    await stage.close();
  }
});

test.run();
