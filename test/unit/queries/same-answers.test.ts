import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ActiveUsers, ServiceCounts, WindowCounts } from '../../../src/queries/aggregates.js';
import { AnswerCache } from '../../../src/queries/answer-cache.js';
import { CountsReader } from '../../../src/queries/counts-reader.js';
import { GetSummary, GetSummaryHandler } from '../../../src/queries/get-summary.js';
import { SameAnswers } from '../../../src/queries/same-answers.js';
import { SameTurn } from '../../../src/queries/same-turn.js';
import { SessionReader } from '../../../src/queries/session-reader.js';
import type { FiringAlert } from '../../../src/queries/summary.js';

const test = suite('answers that are made once');

test('all who ask the same in one turn get one answer, which begins behind them', async () => {
  const turn = new SameTurn<number>();
  let [begun, state] = [0, 1];
  const work = async (): Promise<number> => {
    begun += 1;
    return state;
  };
  const answers = [turn.ask('a', work), turn.ask('a', work), turn.ask('b', work)];
  state = 2;
  assert.equal(await Promise.all(answers), [2, 2, 2], 'it knows all that was there when they asked');
  assert.is(begun, 2, 'one for each question');
  state = 3;
  assert.is(await turn.ask('a', work), 3, 'the next turn asks anew');
});

test('who asks while an answer is on its way gets one of its own', async () => {
  const turn = new SameTurn<string>();
  let finish = (_: string): void => undefined;
  const first = turn.ask('a', () => new Promise((resolve) => (finish = resolve)));
  await new Promise((resolve) => setImmediate(resolve));
  assert.is(await turn.ask('a', async () => 'second'), 'second');
  finish('first');
  assert.is(await first, 'first');
});

test('a failure is that of its turn alone', async () => {
  const turn = new SameTurn<string>();
  const outcome = await turn.ask('a', () => Promise.reject(new Error('gone'))).catch((error: Error) => error.message);
  assert.is(outcome, 'gone');
  assert.is(await turn.ask('a', async () => 'back'), 'back');
});

test('answers that nobody will get any more are not held', async () => {
  const answers = new SameAnswers<object>();
  for (const key of ['a', 'b']) answers.get(key, 1_000, [], () => ({}));
  assert.is(answers.size, 2);
  answers.get('c', 2_000, [], () => ({}));
  assert.is(answers.size, 1, 'those of an earlier second');
  const cache = new AnswerCache<string>();
  for (const key of ['a', 'b']) await cache.get(key, 'before', async () => key);
  assert.is(cache.size, 2);
  await cache.get('c', 'now', async () => 'c');
  assert.is(cache.size, 1, 'those of an earlier version');
  const resting = new AnswerCache<string>({ factor: 600, maxMs: 60_000 });
  await resting.get('a', 'before', () => new Promise((resolve) => setTimeout(resolve, 100, 'a')));
  await resting.get('b', 'now', async () => 'b');
  assert.is(await resting.get('a', 'now', async () => 'anew'), 'a', 'but for one that rests');
});

test('an answer is the same object while its parts and the second are the same', () => {
  const answers = new SameAnswers<object>();
  const [part, other] = [{}, {}];
  const make = (): object => ({});
  const first = answers.get('a', 1_000, [part, true], make);
  assert.is(answers.get('a', 1_999, [part, true], make), first);
  assert.is.not(answers.get('b', 1_999, [part, true], make), first, 'another question');
  for (const [what, nowMs, parts] of [
    ['another part', 1_999, [other, true]],
    ['another word', 1_999, [other, false]],
    ['the next second', 2_000, [other, false]],
    ['a clock that was set back', 1_000, [other, false]],
  ] as const) {
    const before = answers.get('a', what.startsWith('a clock') ? 2_000 : 1_999, [part, true], make);
    assert.is.not(answers.get('a', nowMs, parts, make), before, what);
  }
});

test('no more than 32 answers are kept, the oldest go first', () => {
  const answers = new SameAnswers<object>();
  const first = answers.get('0', 0, [], () => ({}));
  for (let key = 1; key < 32; key += 1) answers.get(`${key}`, 0, [], () => ({}));
  assert.is(
    answers.get('0', 0, [], () => ({})),
    first,
  );
  const second = answers.get('1', 0, [], () => ({}));
  answers.get('32', 0, [], () => ({}));
  assert.is(
    answers.get('1', 0, [], () => ({})),
    second,
  );
  assert.is.not(
    answers.get('0', 0, [], () => ({})),
    first,
  );
});

const COUNTS: WindowCounts = {
  requests: 10,
  errors: 1,
  timedRequests: 0,
  responseTimeUs: 0,
  maxResponseTimeUs: 0,
  latency: new Map(),
  requestBytes: 0,
  responseBytes: 0,
  requestSizes: new Map(),
  responseSizes: new Map(),
  statusCodes: new Map([[200, 10]]),
  registrations: 0,
  logins: 0,
  appointmentsCreated: 0,
  notificationsSent: 0,
  deviceRegistrations: 0,
  patientEvents: 0,
  loginUsers: 0,
  patientUsers: 0,
  features: [],
};

test('a summary is made anew when anything that it says has changed, and then says that', async () => {
  const state = {
    nowMs: 1_700_000_000_000,
    counts: COUNTS,
    users: { daily: 1, weekly: 2, monthly: 3 } as ActiveUsers,
    services: [] as readonly ServiceCounts[],
    firing: [] as readonly FiringAlert[],
    redisIsNear: true,
  };
  const source = <N extends 'redis' | 'postgres'>(name: N) => ({
    name,
    windowCounts: async () => state.counts,
    activeUsers: async () => state.users,
    serviceCounts: async () => state.services,
    platformCounters: () => Promise.reject(new Error('not asked')),
  });
  const redis = source('redis');
  const reader = new CountsReader({
    redis: { ...redis, check: () => (state.redisIsNear ? Promise.resolve(redis) : Promise.reject(new Error('gone'))) },
    postgres: source('postgres'),
    now: () => state.nowMs,
  });
  class NoSessions extends SessionReader {
    override async lengths(): Promise<null> {
      return null;
    }
  }
  // A pool that is never asked.
  const sessions = Object.create(NoSessions.prototype) as NoSessions;
  const limits = { errorRate: 0.05, responseTimeMs: 2_000, intervalSeconds: 300 };
  const handler = new GetSummaryHandler(
    reader,
    sessions,
    limits,
    async () => state.firing,
    () => state.nowMs,
  );
  const ask = () => handler.execute(new GetSummary('24h'));

  const first = await ask();
  state.nowMs += 1;
  assert.is(await ask(), first, 'nothing has changed, within the second');
  state.counts = { ...COUNTS, requests: 11 };
  assert.is((await ask()).api.requests, 11);
  state.users = { daily: 2, weekly: 2, monthly: 3 };
  assert.is((await ask()).users.active.daily, 2);
  state.firing = [{ name: 'a', severity: 'info', labels: {}, value: 1, starts_at: '2026-01-01T00:00:00.000Z' }];
  assert.is((await ask()).alerts.firing.length, 1);
  state.redisIsNear = false;
  const fallback = await ask();
  assert.equal([fallback.source, fallback.degraded], ['postgres', true]);
  state.nowMs += 1_000;
  assert.is((await ask()).generated_at, new Date(state.nowMs).toISOString());
});

test.run();
