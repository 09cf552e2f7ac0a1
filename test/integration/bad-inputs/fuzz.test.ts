import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Summary } from '../../../src/queries/summary.js';
import { assertVerified, caughtUp, openStage, type Stage } from '../../faults/stage.js';
import { assertEqualsRecount, recountSummary } from '../../faults/summary-recount.js';
import { AnswerChecker } from '../../support/answer-checker.js';
import { KeepAliveClient } from '../../support/keep-alive-client.js';
import '../../support/seed.js';
import { type FuzzCase, fuzzCase } from './fuzz-cases.js';
import { type FuzzCounts, type FuzzParts, NOTHING, runCases } from './fuzz-run.js';

const test = suite('Random inputs over both ways');

/** METRICS_FUZZ_CASES asks for more; FC_SEED repeats a run. */
const CASES = Number(process.env.METRICS_FUZZ_CASES ?? 10_000);
const CASES_AT_ONCE = 1_000;
const MAX_SOCKETS = 16;

let stage: Stage;
let http: KeepAliveClient;

test.before(async () => {
  stage = await openStage();
  http = new KeepAliveClient(stage.client.url, MAX_SOCKETS);
});

test.after(async () => {
  http.close();
  await stage.close();
});

/** The error, or undefined where all is well. Brings a service that has died up again, so that others can be tried. */
async function failureOf(parts: FuzzParts, cases: readonly FuzzCase[]): Promise<unknown> {
  try {
    await runCases(parts, cases);
    return undefined;
  } catch (error) {
    await stage.service.end('SIGKILL');
    await stage.service.start();
    return error;
  }
}

/** Halves cases that fail together until one fails alone, or neither half does. @returns their place, and the error */
async function narrow(parts: FuzzParts, cases: readonly FuzzCase[], start: number, error: unknown): Promise<string> {
  if (cases.length > 1) {
    const middle = Math.ceil(cases.length / 2);
    for (const [half, offset] of [
      [cases.slice(0, middle), 0],
      [cases.slice(middle), middle],
    ] as const) {
      const inHalf = await failureOf(parts, half);
      if (inHalf !== undefined) return await narrow(parts, half, start + offset, inHalf);
    }
  }
  const which = cases.length === 1 ? JSON.stringify(cases[0]) : 'which fail together only';
  return `cases ${start} to ${start + cases.length - 1}: ${which}\n${error instanceof Error ? error.stack : String(error)}`;
}

test(`${CASES} cases: no 5xx, no death, nothing stuck, nothing lost, doubled or invented`, async () => {
  const parts = { stage, http, checker: new AnswerChecker() };
  // The sample's seed is the one that is printed at the beginning.
  const cases = fc.sample(fuzzCase, { numRuns: CASES, seed: fc.readConfigureGlobal().seed ?? 0 });
  const total: FuzzCounts = { ...NOTHING };
  const pid = stage.service.pid;
  for (let start = 0; start < CASES; start += CASES_AT_ONCE) {
    const chunk = cases.slice(start, start + CASES_AT_ONCE);
    const counts = await runCases(parts, chunk).catch(async (error: unknown) => {
      await stage.service.end('SIGKILL');
      await stage.service.start();
      throw new Error(await narrow(parts, chunk, start, error));
    });
    for (const name of Object.keys(total) as (keyof FuzzCounts)[]) total[name] += counts[name];
  }
  console.log(`bad inputs: ${JSON.stringify(total)}`);
  assert.is(stage.service.pid, pid, 'it is the process that was started');
  assert.ok(total.sent + total.others >= CASES);
  // A run in which hardly anything is taken, or refused, would show little.
  for (const name of ['accepted', 'duplicates', 'rejected', 'deadLettered', 'rows', 'dropped', 'others'] as const) {
    assert.ok(total[name] >= CASES / 1_000, `${name}: ${total[name]}`);
  }
});

test('the summary equals a recount, and verify finds no difference', async () => {
  await caughtUp(stage);
  const answer = await stage.client.get('/metrics/summary?window=24h');
  const summary = answer.json() as Summary;
  assert.is(summary.source, 'redis');
  assertEqualsRecount(summary, await recountSummary(stage.pool));
  await assertVerified(stage);
});

test.run();
