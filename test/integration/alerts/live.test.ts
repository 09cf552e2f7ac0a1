import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeState } from '../../../src/alerts/live/evaluation-state.js';
import type { ManagedServer } from '../../../src/devservices/index.js';
import type { AppendResult } from '../../../src/stream/append.js';
import { ensureStreams } from '../../../src/stream/streams.js';
import {
  type AlertFaults,
  AlertProcess,
  describedAlert,
  INTERVAL_MS,
  publishedAlerts,
  rulesOf,
  transitionsOfLog,
} from '../../support/alert-process.js';
import { appendRequests } from '../../support/incident.js';
import { openLog, STREAM_SETTINGS, type TestLog } from '../../support/log.js';
import { SeededRandom } from '../../support/random.js';
import { startTestNats, waitFor } from '../../support/servers.js';

const test = suite('live evaluation');
const random = SeededRandom.announced('live evaluation');

const RULES = rulesOf(`
alerts:
  - { name: errors, condition: error_rate > 0.3, window: 2s }
  - { name: errors_for, condition: error_rate > 0.3, window: 2s, for: 2s, keep_firing_for: 2s }
  - { name: hysteresis, condition: error_rate > 0.5, resolve_condition: error_rate < 0.1, window: 3s }
  - { name: silent, condition: seconds_since_seen > 2 }
  - { name: busy, condition: requests > 40, window: 1s, by: none }
`);
const KILLS = 50;
const LAG_MS = 20_000;

interface Played {
  readonly fromMs: number;
  readonly toMs: number;
}

const context: { nats?: ManagedServer; log?: TestLog; played?: Played } = {};

function log(): TestLog {
  if (context.log === undefined) throw new Error('not started');
  return context.log;
}

test.before(async () => {
  context.nats = await startTestNats();
  context.log = await openLog(context.nats.url);
});
test.after(async () => {
  await context.log?.close();
  await context.nats?.stop();
});

/** Requests of three services, whose rates of errors go up and down, and which fall silent now and then. */
async function playIncident(
  to: TestLog,
  seconds: number,
  each: (second: number) => Promise<void> = async () => undefined,
): Promise<Played> {
  const fromMs = Date.now();
  for (let second = 0; second < seconds; second += 1) {
    await each(second);
    for (const service of ['billing', 'mail', 'web']) {
      if (random.next() < 0.25) continue;
      await appendRequests(to, service, { count: random.integer(5, 25), errorRate: random.pick([0, 0.2, 0.45, 0.8]) });
    }
    await waitFor('the next second', () => (Date.now() >= fromMs + (second + 1) * 1_000 ? true : undefined), 2_000);
  }
  return { fromMs, toMs: Math.floor(Date.now() / INTERVAL_MS) * INTERVAL_MS };
}

async function evaluatedUntil({ metrics }: AlertProcess, timeMs: number): Promise<void> {
  await waitFor(
    'the evaluation',
    async () => (((await metrics.alertEvaluatedUntil.get()).values[0]?.value ?? 0) * 1000 >= timeMs ? true : undefined),
    LAG_MS,
  );
}

async function publishedIn({ toMs }: Played, from: TestLog = log()): Promise<string[]> {
  const alerts = await publishedAlerts(from);
  return alerts.filter(({ evaluated_at }) => Date.parse(evaluated_at) <= toMs).map(describedAlert);
}

/** Alerts again as they were before anything was evaluated, at a time. */
async function forgetAlerts(atMs: number): Promise<void> {
  const { manager, appender } = log();
  for (const name of ['METRICS_ALERTS', 'METRICS_ALERT_STATE']) await manager.streams.delete(name);
  await ensureStreams(manager, STREAM_SETTINGS);
  const closedUntilMs = Math.floor(atMs / INTERVAL_MS) * INTERVAL_MS;
  const state = encodeState({ closedUntilMs, beginMs: closedUntilMs, seen: new Map(), rulesHash: '' });
  assert.is((await appender.append('metrics.alert_state', state, 'planted')).kind, 'stored');
}

test('two processes publish each transition once, and what a fresh engine makes of the same log', async () => {
  const connections = await Promise.all([openLog(context.nats?.url ?? ''), openLog(context.nats?.url ?? '')]);
  const processes = connections.map((connection) => new AlertProcess(connection));
  for (const process of processes) await process.start(RULES);
  for (const process of processes) await evaluatedUntil(process, Date.now() - 20_000);
  const played = await playIncident(log(), 14);
  context.played = played;
  for (const process of processes) await evaluatedUntil(process, played.toMs);
  for (const process of processes) await process.stop();
  for (const connection of connections) await connection.close();
  const expected = await transitionsOfLog(log(), RULES, played);
  assert.ok(expected.length >= 10, `${expected.length} transitions`);
  assert.equal((await publishedIn(played)).sort(), expected.sort());
});

test('a process that was down catches up with the original times, in the middle of `for`, too', async () => {
  const nats = await startTestNats();
  const ownLog = await openLog(nats.url);
  let process = new AlertProcess(ownLog);
  await process.start(RULES);
  await evaluatedUntil(process, Date.now() - 20_000);
  const played = await playIncident(ownLog, 14, async (second) => {
    if (second === 4) await process.stop();
    if (second !== 9) return;
    process = new AlertProcess(ownLog);
    await process.start(RULES);
  });
  await evaluatedUntil(process, played.toMs);
  await process.stop();
  const expected = await transitionsOfLog(ownLog, RULES, played);
  assert.equal((await publishedIn(played, ownLog)).sort(), expected.sort());
  await ownLog.close();
  await nats.stop();
});

/** A process that dies at one of its steps: from then on nothing that it does has an effect. */
function dyingAt(step: number): { readonly faults: AlertFaults; readonly dead: () => boolean } {
  let steps = 0;
  const dies = (): boolean => {
    steps += 1;
    return steps > step;
  };
  const gone: AppendResult = { kind: 'unavailable', reason: 'disconnected', retryAfterSeconds: 1 };
  return {
    dead: () => steps > step,
    faults: {
      beforeEvent: () => {
        if (dies()) throw new Error('died before the event');
      },
      beforeCommand: () => {
        if (dies()) throw new Error('died before the command');
      },
      beforeAppend: () => (dies() ? gone : undefined),
      afterAppend: (_subject, result) => (dies() ? gone : result),
    },
  };
}

test(`killed ${KILLS} times at every step, each transition is published once`, async () => {
  const { played } = context;
  if (played === undefined) throw new Error('nothing was played');
  const fromMs = played.fromMs - 2_000;
  await forgetAlerts(fromMs);
  for (let kill = 0; kill < KILLS; kill += 1) {
    const { faults, dead } = dyingAt(kill % 5);
    const process = new AlertProcess(log(), faults);
    await process.start(RULES);
    await waitFor('its death', () => (dead() ? true : undefined), LAG_MS);
    await process.stop();
  }
  const last = new AlertProcess(log());
  await last.start(RULES);
  await evaluatedUntil(last, played.toMs);
  await last.stop();
  const expected = await transitionsOfLog(log(), RULES, { fromMs, toMs: played.toMs });
  assert.equal((await publishedIn(played)).sort(), expected.sort());
});

test('a throw in every part of the path ends nothing and loses nothing', async () => {
  const { played } = context;
  if (played === undefined) throw new Error('nothing was played');
  const fromMs = played.fromMs - 2_000;
  await forgetAlerts(fromMs);
  const thrown = { event: 0, command: 0, append: 0, acknowledgement: 0 };
  const sometimes = (where: keyof typeof thrown): void => {
    if (random.next() < 0.7) return;
    thrown[where] += 1;
    throw new Error(`thrown at ${where}`);
  };
  const process = new AlertProcess(log(), {
    beforeEvent: () => sometimes('event'),
    beforeCommand: () => sometimes('command'),
    beforeAppend: (subject) => (subject === 'metrics.alert' ? sometimes('append') : undefined) ?? undefined,
    afterAppend: (subject, result) => {
      if (subject === 'metrics.alert') sometimes('acknowledgement');
      return result;
    },
  });
  await process.start(RULES);
  await evaluatedUntil(process, played.toMs);
  await process.stop();
  const expected = await transitionsOfLog(log(), RULES, { fromMs, toMs: played.toMs });
  assert.equal((await publishedIn(played)).sort(), expected.sort());
  for (const [where, times] of Object.entries(thrown)) assert.ok(times > 0, `nothing was thrown at ${where}`);
});

test.run();
