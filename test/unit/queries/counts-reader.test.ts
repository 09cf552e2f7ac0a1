import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CountsSource, SourceOutdated } from '../../../src/queries/aggregates.js';
import { AnswerCache } from '../../../src/queries/answer-cache.js';
import { CountsReader } from '../../../src/queries/counts-reader.js';
import { GetPrometheusHandler } from '../../../src/queries/get-prometheus.js';
import { QueryUnavailable } from '../../../src/queries/unavailable.js';
import { waitFor } from '../../support/servers.js';

const test = suite('who answers');

function notAsked(): never {
  throw new Error('not asked for in this test');
}
const METHODS = {
  windowCounts: notAsked,
  serviceCounts: notAsked,
  platformCounters: notAsked,
};

/** A source whose only answer is where it comes from, in `daily`. */
function source(name: 'redis', daily: number): CountsSource & { name: 'redis' };
function source(name: 'postgres', daily: number): CountsSource & { name: 'postgres' };
function source(name: CountsSource['name'], daily: number): CountsSource {
  return { ...METHODS, name, activeUsers: async () => ({ daily, weekly: 0, monthly: 0 }) };
}

/** A reader with a clock that is set by hand, and with a Redis that can be taken away. */
function setUp(options: { postgresFails?: boolean } = {}) {
  const state = { nowMs: 1_000, checks: 0, check: async (): Promise<void> => undefined, fallbacks: 0 };
  const postgres = source('postgres', 2);
  const reader = new CountsReader({
    redis: {
      ...source('redis', 1),
      check: async () => {
        state.checks += 1;
        await state.check();
        return source('redis', 1);
      },
    },
    postgres: options.postgresFails ? { ...postgres, activeUsers: () => Promise.reject(new Error('gone')) } : postgres,
    now: () => state.nowMs,
    onFallback: () => {
      state.fallbacks += 1;
    },
  });
  const ask = async (): Promise<string> => {
    const { value, source: name, degraded } = await reader.read((from) => from.activeUsers(0));
    assert.is(value.daily, name === 'redis' ? 1 : 2);
    assert.is(degraded, name === 'postgres');
    return name;
  };
  return { state, ask };
}

test('Redis answers while it is near', async () => {
  const { ask } = setUp();
  assert.is(await ask(), 'redis');
});

test('Redis that fails is left alone for a second, then tried beside a query that does not wait for it', async () => {
  const { state, ask } = setUp();
  state.check = () => Promise.reject(new Error('away'));
  assert.equal([await ask(), await ask(), await ask()], ['postgres', 'postgres', 'postgres']);
  assert.equal([state.checks, state.fallbacks], [1, 1]);
  state.check = async () => undefined;
  state.nowMs += 1_001;
  assert.is(await ask(), 'postgres');
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal([await ask(), state.fallbacks], ['redis', 1]);
});

test('Redis that failed once answers after all where Postgres does not', async () => {
  const { state, ask } = setUp({ postgresFails: true });
  state.check = async () => {
    if (state.checks === 1) throw new Error('a moment late');
  };
  assert.is(await ask(), 'redis');
  assert.equal([state.checks, state.fallbacks], [2, 1]);
});

test('Redis that is still away when it is tried is left alone again', async () => {
  const { state, ask } = setUp();
  state.check = () => Promise.reject(new Error('away'));
  await ask();
  state.nowMs += 1_001;
  await ask();
  await new Promise((resolve) => setImmediate(resolve));
  await ask();
  assert.equal([state.checks, state.fallbacks], [2, 1]);
});

test('Redis that hangs is waited for once', async () => {
  const { state, ask } = setUp();
  state.check = () => new Promise(() => undefined);
  const startMs = performance.now();
  assert.equal([await ask(), await ask()], ['postgres', 'postgres']);
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs > 900 && tookMs < 1_900, `${tookMs} ms`);
});

test('where neither answers the query is unavailable, with the cause', async () => {
  const { state, ask } = setUp({ postgresFails: true });
  state.check = () => Promise.reject(new Error('away'));
  try {
    await ask();
    assert.unreachable();
  } catch (error) {
    assert.instance(error, QueryUnavailable);
    assert.is(error instanceof QueryUnavailable && error.cause instanceof Error && error.cause.message, 'gone');
  }
});

test('an answer is computed once for all who ask at the same time, and again when the version has moved', async () => {
  const cache = new AnswerCache<number>();
  let computed = 0;
  const compute = async (): Promise<number> => {
    await new Promise((resolve) => setImmediate(resolve));
    computed += 1;
    return computed;
  };
  const ask = (key: string, version: string): Promise<number> => cache.get(key, version, compute);
  assert.equal(await Promise.all([ask('a', '1'), ask('a', '1'), ask('a', '1')]), [1, 1, 1]);
  assert.is(await ask('a', '1'), 1);
  assert.is(await ask('a', '2'), 2);
  assert.is(await ask('b', '2'), 3);
});

test('however often the version moves while an answer is computed, one successor is computed for all', async () => {
  const cache = new AnswerCache<number>();
  const finish: (() => void)[] = [];
  const compute = (): Promise<number> =>
    new Promise((resolve) => {
      finish.push(() => resolve(finish.length));
    });
  const first = cache.get('a', '1', compute);
  const later = ['2', '3', '4'].map((version) => cache.get('a', version, compute));
  assert.is(finish.length, 1);
  finish[0]?.();
  assert.is(await first, 1);
  await new Promise((resolve) => setImmediate(resolve));
  assert.is(finish.length, 2);
  finish[1]?.();
  assert.equal(await Promise.all(later), [2, 2, 2]);
});

test('an answer that took long rests for a few times as long, though the version has moved', async () => {
  const cache = new AnswerCache<number>({ factor: 4, maxMs: 10_000 });
  let computed = 0;
  const compute = async (): Promise<number> => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    computed += 1;
    return computed;
  };
  assert.is(await cache.get('a', '1', compute), 1);
  assert.is(await cache.get('a', '2', compute), 1);
  await waitFor('a new answer', async () => ((await cache.get('a', '3', compute)) === 2 ? true : undefined));
});

test('a failure is told to all who asked at the same time, and not kept', async () => {
  const cache = new AnswerCache<string>();
  const fail = (): Promise<string> => Promise.reject(new Error('away'));
  const outcomes = await Promise.allSettled([cache.get('a', '1', fail), cache.get('a', '1', fail)]);
  assert.equal(
    outcomes.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  assert.is(await cache.get('a', '1', () => Promise.resolve('back')), 'back');
});

test('a bounded number of answers is kept', async () => {
  const cache = new AnswerCache<number>();
  let computed = 0;
  const compute = async (): Promise<number> => {
    computed += 1;
    return computed;
  };
  for (let key = 0; key < 100; key += 1) await cache.get(String(key), '1', compute);
  await cache.get('99', '1', compute);
  assert.is(computed, 100);
  await cache.get('0', '1', compute);
  assert.is(computed, 101);
});

/** Scrapes with sources that stand where the test says. */
function setUpScrapes() {
  const at = { redis: 0, postgres: 0, asked: [] as string[] };
  const standing = <N extends CountsSource['name']>(name: N): CountsSource & { name: N } => ({
    ...METHODS,
    activeUsers: notAsked,
    name,
    platformCounters: async (_nowMs, fromSequence) => {
      at.asked.push(name);
      const sequence = at[name];
      if (name === 'redis' && sequence < fromSequence) throw new SourceOutdated('behind');
      return {
        sequence,
        requests: [],
        durations: [],
        events: [{ eventType: 'position', count: sequence }],
        activeUsers: { daily: 0, weekly: 0, monthly: 0 },
        gauges: [],
      };
    },
  });
  const reader = new CountsReader({
    redis: { ...standing('redis'), check: async () => standing('redis') },
    postgres: standing('postgres'),
    now: () => 0,
  });
  const handler = new GetPrometheusHandler(reader, async () => [], Date.now);
  const scrape = async (): Promise<number | undefined> => {
    const events = (await handler.execute()).find(({ name }) => name === 'platform_events_total');
    return events?.samples.find(({ labels }) => labels.event_type === 'position')?.value;
  };
  return { at, scrape };
}

test('a scrape never answers from an earlier position than one before it', async () => {
  const { at, scrape } = setUpScrapes();
  Object.assign(at, { redis: 5, postgres: 9 });
  assert.is(await scrape(), 5);
  at.redis = 3;
  assert.is(await scrape(), 9, 'Postgres where Redis is behind');
  at.redis = 8;
  assert.is(await scrape(), 9, 'as long as it is');
  at.redis = 10;
  assert.is(await scrape(), 10);
  assert.equal(at.asked, ['redis', 'redis', 'postgres', 'redis', 'postgres', 'redis']);
});

test('where Postgres was restored to an earlier position the counters begin anew with it', async () => {
  const { at, scrape } = setUpScrapes();
  Object.assign(at, { redis: 50, postgres: 50 });
  assert.is(await scrape(), 50);
  Object.assign(at, { redis: 4, postgres: 4 });
  assert.is(await scrape(), 4);
  Object.assign(at, { redis: 6, postgres: 6 });
  assert.equal([await scrape(), at.asked.at(-1)], [6, 'redis']);
});

test.run();
