import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DYING_POINTS } from '../support/dying-points.js';
import { type PathProcess, PathStage } from './path-stage.js';

const DEATHS = process.env.METRICS_FAULTS === 'full' ? 50 : 2;
const PAUSE_MS = 30;
const MAX_OCCURRENCE = 3;
const BOUND_MS = 60_000;

const test = suite('dying in the path of projections');
const opened: { stage?: PathStage } = {};
test.before(async () => {
  opened.stage = await PathStage.open('dying');
});
test.after(async () => {
  await opened.stage?.close();
});

function stage(): PathStage {
  if (opened.stage === undefined) throw new Error('not opened');
  return opened.stage;
}

/** Sends until the process has died, as it was told to. */
async function untilDead({ child, lines }: PathProcess): Promise<void> {
  const state: { signal?: unknown } = {};
  void once(child, 'exit').then(([, signal]) => {
    state.signal = signal;
  });
  const deadlineMs = performance.now() + BOUND_MS;
  while (state.signal === undefined && performance.now() < deadlineMs) {
    // Not before it can take them: on a slow machine the log would grow by what no fault needs.
    if (lines.some((line) => line.startsWith('tables running'))) await stage().send();
    await sleep(PAUSE_MS);
  }
  assert.is(state.signal, 'SIGKILL');
}

for (const point of DYING_POINTS) {
  test(`fault 3: ${DEATHS} times dead ${point.replace('_', ' ')}: each event once in its table and in the summaries`, async () => {
    for (let death = 0; death < DEATHS; death += 1) {
      await untilDead(stage().spawn({ point, occurrence: stage().random.integer(1, MAX_OCCURRENCE) }));
    }
    stage().spawn({ point: 'never' });
    await stage().assertWhole();
    console.log(`fault 3: dead ${point} ${DEATHS} times; ${stage().sent} events so far, each once`);
  });
}

test.run();
