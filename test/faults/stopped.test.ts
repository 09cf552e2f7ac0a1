import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SeededRandom } from '../support/random.js';
import { assertInvariant, openStage } from './stage.js';
import { makeEvent, postBatch, publishToNats } from './traffic.js';

const test = suite('The service is told to stop');

const STOPS = process.env.METRICS_FAULTS === 'full' ? 50 : 3;
const EVENTS_PER_STOP = 2_000;
const STOP_BOUND_MS = 10_000;

test(`${STOPS} times with SIGTERM under load: it ends in order within 10 s, and nothing is lost or doubled`, async () => {
  const random = SeededRandom.announced('stopped');
  const stage = await openStage();
  try {
    let made = 0;
    const events = () => Array.from({ length: 50 }, () => makeEvent(random, `s-${made++}`, Date.now()));
    for (let stop = 0; stop < STOPS; stop += 1) {
      const sending = (async () => {
        for (let sent = 0; sent < EVENTS_PER_STOP; sent += 100) {
          await Promise.all([
            publishToNats(stage.jetstream, stage.ledger, events()),
            postBatch(stage.client, stage.ledger, events()),
          ]);
        }
      })();
      await sleep(random.integer(0, 500));
      const startedMs = performance.now();
      assert.is(await stage.service.end('SIGTERM'), 0);
      assert.ok(performance.now() - startedMs < STOP_BOUND_MS);
      await stage.service.start();
      await sending;
    }
    const report = await assertInvariant(stage);
    assert.is(report.rows, STOPS * EVENTS_PER_STOP);
  } finally {
    await stage.close();
  }
});

test.run();
