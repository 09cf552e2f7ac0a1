import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DyingPoint } from '../support/dying-points.js';
import { waitFor } from '../support/servers.js';
import { type PathProcess, PathStage } from './path-stage.js';

const FULL = process.env.METRICS_FAULTS === 'full';
const ROUNDS = FULL ? 5 : 1;
/** How long a process stays stopped at least; it is longer where the other takes longer to take over. */
const STOPPED_MS = FULL ? 30_000 : 0;
/** The contract's bounds, for a machine that does nothing else; here many tests run at once. */
const TAKEOVER_MS = { SIGKILL: 10_000, SIGSTOP: 15_000 } as const;
const LOADED_FACTOR = 3;
const PAUSE_MS = 30;
const BOUND_MS = 90_000;
/** With a transaction open, with a commit that is not acknowledged, and with a delta that is on its way to Redis. */
const POINTS: readonly DyingPoint[] = ['before_commit', 'before_ack', 'before_redis'];
const LEADING = /^tables running, summaries running$/;

const test = suite('standby');
const opened: { stage?: PathStage } = {};
test.before(async () => {
  opened.stage = await PathStage.open('standby');
});
test.after(async () => {
  await opened.stage?.close();
});

function stage(): PathStage {
  if (opened.stage === undefined) throw new Error('not opened');
  return opened.stage;
}

const printed = ({ lines }: PathProcess, wanted: RegExp): Promise<true> =>
  waitFor(`${wanted}`, () => (lines.some((line) => wanted.test(line)) ? true : undefined), BOUND_MS);

/** Sends until something is the case. */
async function sendingUntil(what: string, check: () => Promise<boolean> | boolean): Promise<void> {
  const deadlineMs = performance.now() + BOUND_MS;
  while (!(await check())) {
    assert.ok(performance.now() < deadlineMs, `waited in vain for ${what}`);
    await stage().send();
    await sleep(PAUSE_MS);
  }
}

/** Sends until both projections have moved under the other process, and says how long that took. */
async function takeoverMs(from: PathProcess, to: PathProcess): Promise<number> {
  const startMs = performance.now();
  await sendingUntil(`${to.holder} to take over from ${from.holder}`, () =>
    to.lines.some((line) => LEADING.test(line)),
  );
  return performance.now() - startMs;
}

/** Everything that the two may write: rows, deltas, checkpoints, and each key of Redis. */
async function everything(): Promise<unknown> {
  const { store, redis } = stage();
  const { rows } = await store.pool.query(`
    select (select json_agg(c order by c.name) from projection_checkpoints as c) as checkpoints,
           (select count(*) from user_events) as users, (select count(*) from system_metrics) as measurements,
           (select count(*) from api_metrics) as requests, (select max(id) from user_events) as last_user,
           (select count(*) from summary_outbox) as deltas, (select count(*) from rollup_marks) as marks`);
  const keys = (await redis.keys('*')).sort();
  return { rows, keys, dumps: await Promise.all(keys.map((key) => redis.dump(key))) };
}

function assertWithin(ms: number, signal: keyof typeof TAKEOVER_MS): void {
  assert.ok(ms < TAKEOVER_MS[signal] * LOADED_FACTOR, `it took ${Math.round(ms)} ms`);
}

async function stopAndWake(point: DyingPoint): Promise<number> {
  const first = stage().spawn({ point, occurrence: 20, signal: 'SIGSTOP' });
  await printed(first, LEADING);
  const second = stage().spawn({ point: 'never' });
  await printed(second, /^tables standby, summaries standby$/);
  await sendingUntil(`${first.holder} to stop`, () => first.lines.includes('at the point'));
  const stoppedMs = performance.now();
  const tookMs = await takeoverMs(first, second);
  await sleep(Math.max(0, STOPPED_MS - (performance.now() - stoppedMs)));
  await stage().caughtUp();
  const before = await everything();
  const known = first.lines.length;
  first.child.kill('SIGCONT');
  await waitFor(
    `${first.holder} to stand by`,
    () => (first.lines.slice(known).includes('tables standby, summaries standby') ? true : undefined),
    BOUND_MS,
  );
  assert.equal(await everything(), before);
  if (point === 'before_redis') {
    assert.ok(first.lines.some((line) => /Another epoch of the summaries has begun/.test(line)));
  }
  await stage().send();
  await stage().assertWhole();
  return tookMs;
}

for (const point of POINTS) {
  test(`fault 14: stopped ${point.replace('_', ' ')} and woken after another took over: nothing is written under the old epoch`, async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const tookMs = await stopAndWake(point);
      assertWithin(tookMs, 'SIGSTOP');
      console.log(`fault 14: stopped ${point}; the other took over in ${Math.round(tookMs)} ms`);
    }
  });
}

test('fault 14: a standby takes over from one that was killed', async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const first = stage().spawn({ point: 'never' });
    await printed(first, LEADING);
    const second = stage().spawn({ point: 'never' });
    await printed(second, /^tables standby, summaries standby$/);
    await stage().send();
    first.child.kill('SIGKILL');
    const tookMs = await takeoverMs(first, second);
    await stage().assertWhole();
    assertWithin(tookMs, 'SIGKILL');
    console.log(`fault 14: killed; the other took over in ${Math.round(tookMs)} ms`);
  }
});

test.run();
