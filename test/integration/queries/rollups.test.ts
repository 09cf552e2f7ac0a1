import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addUpRollups } from '../../../src/projections/add-up-rollups.js';
import { dropOldRollups, findDueRollups, rollUp } from '../../../src/projections/roll-up.js';

import { RollupWorker } from '../../../src/projections/rollup-worker.js';
import { type DashboardParameters, parseDashboardQuestion } from '../../../src/queries/dashboard-question.js';
import { type DashboardContent, DashboardSource } from '../../../src/queries/dashboard-source.js';
import { PostgresSource } from '../../../src/queries/postgres-source.js';
import { ROLLUP_TABLES } from '../../../src/store/rollups.js';
import { DAY_S, FIVE_MINUTES_S, HOUR_S, MINUTE_S } from '../../../src/store/summary-schema.js';
import { count, openStore, type TestStore } from '../../support/database.js';
import { BUSINESS, foldEvents } from '../../support/fold-events.js';
import { testLogger } from '../../support/projection.js';
import { randomEvents } from '../../support/random-events.js';
import { same } from '../../support/same.js';
import { waitFor } from '../../support/servers.js';

const EVENTS = 4_000;
const RETENTION_DAYS = 90;
const NEVER = new AbortController().signal;
const QUESTIONS: readonly DashboardParameters[] = [
  {},
  { from: '-90m' },
  { from: '-30d', compare: 'previous' },
  { from: '-30d', interval: '1d', service: 'web' },
  { from: '-9d', to: '-2d', interval: '1h', endpoint: '/users/:id', compare: 'previous' },
  { from: '-5d', service: 'billing', endpoint: '/orders/:id/items' },
  { from: '-40d', event_type: 'user_login' },
  { from: '-20d', event_type: 'feature_used', interval: '6h' },
  { from: '-3h', interval: '97' },
  { from: '-30h', to: '-1h', interval: '90m' },
];

const seed = Number(process.env.METRICS_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
console.log(`seed: ${seed}`);
const nowMs = Date.now();
const context: { store?: TestStore } = {};
const test = suite('rollups');
function store(): TestStore {
  if (context.store === undefined) throw new Error('not opened');
  return context.store;
}
test.before.each(async () => {
  context.store = await openStore();
});
test.after.each(async () => {
  await context.store?.close();
});

/** Answers to every question, each from a source that has no answer yet. */
async function answers(): Promise<DashboardContent[]> {
  const found: DashboardContent[] = [];
  for (const parameters of QUESTIONS) {
    const question = parseDashboardQuestion(parameters, nowMs, RETENTION_DAYS);
    if (!question.ok) throw new Error(JSON.stringify(question.problems));
    found.push(await new DashboardSource(store().pool, BUSINESS).read(question.value, nowMs));
  }
  return found;
}

/** What a summary asks of Postgres while Redis is away. */
async function windows(): Promise<unknown[]> {
  const fromS = Math.floor(nowMs / 1000 / HOUR_S) * HOUR_S;
  const source = new PostgresSource(store().pool, BUSINESS);
  return [
    await source.windowCounts(fromS - 30 * 86_400, nowMs),
    await source.windowCounts(fromS - 17 * MINUTE_S, nowMs),
    await source.activeUsers(nowMs),
    await source.serviceCounts(fromS - 600, fromS - 1_200, nowMs),
  ];
}

/** As if nothing had been written for a while. */
async function makeQuiet(): Promise<void> {
  await store().pool.query(`update rollup_marks set marked_at = now() - interval '10 seconds'`);
}

async function addUpAll(): Promise<boolean> {
  const did = [];
  for (const seconds of [FIVE_MINUTES_S, DAY_S] as const) did.push(await addUpRollups(store().pool, seconds, NEVER));
  return did.includes(true);
}

async function rollUpAll(): Promise<number> {
  await makeQuiet();
  for (let rounds = 0; ; rounds += 1) {
    const due = await findDueRollups(store().pool);
    if (due !== undefined) await rollUp(store().pool, due, NEVER);
    else if (!(await addUpAll())) return rounds;
    assert.ok(rounds < 10_000, 'it comes to an end');
  }
}

const upToDate = (): Promise<number> =>
  count(
    store().pool,
    'select count(*) from rollups join rollup_marks as marks using (seconds, starts_at) where rollups.sequence >= marks.sequence',
  );

test('answers are the same without rollups, with all, and with some that are out of date', async () => {
  const events = randomEvents(EVENTS, seed, nowMs, 40);
  await foldEvents(store().pool, events.slice(0, EVENTS - 300));
  const counted = [await answers(), await windows()];
  assert.ok((await rollUpAll()) > 10);
  assert.ok((await upToDate()) > 500);
  same([await answers(), await windows()], counted);

  const before = await upToDate();
  await foldEvents(store().pool, events.slice(EVENTS - 300));
  const after = await upToDate();
  assert.ok(after < before && after > 0, `${after} of ${before} are up to date still`);
  const mixed = [await answers(), await windows()];
  await store().pool.query('delete from rollups');
  same(mixed, [await answers(), await windows()]);
  assert.not(JSON.stringify(mixed) === JSON.stringify(counted));
});

test('what is rolled up is not counted in the tables again', async () => {
  await foldEvents(store().pool, randomEvents(1_500, seed, nowMs, 20));
  await rollUpAll();
  const ask = async (): Promise<DashboardContent> => {
    const question = parseDashboardQuestion({ from: '-19d', to: '-2d', interval: '1h' }, nowMs, RETENTION_DAYS);
    if (!question.ok) throw new Error(JSON.stringify(question.problems));
    return await new DashboardSource(store().pool, BUSINESS).read(question.value, nowMs);
  };
  const { series, top, counts } = await ask();
  assert.ok(counts.requests > 0 && counts.logins > 0);
  await store().pool.query('truncate api_metrics, system_metrics, user_events');
  const again = await ask();
  same([again.series, again.top, again.counts], [series, top, counts]);
});

test('a day is read from its five minutes, and not from its minutes', async () => {
  await foldEvents(store().pool, randomEvents(1_500, seed, nowMs, 1));
  await rollUpAll();
  const ask = async (): Promise<DashboardContent> => {
    const [from, to] = [20, 1].map((hours) =>
      new Date((Math.floor(nowMs / 1000 / HOUR_S) - hours) * HOUR_S * 1000).toISOString(),
    );
    const question = parseDashboardQuestion({ from, to, interval: '15m' }, nowMs, RETENTION_DAYS);
    if (!question.ok) throw new Error(JSON.stringify(question.problems));
    return await new DashboardSource(store().pool, BUSINESS).read(question.value, nowMs);
  };
  const { series, counts } = await ask();
  assert.ok(counts.requests > 0 && counts.logins > 0);
  for (const table of ROLLUP_TABLES) await store().pool.query(`delete from ${table} where seconds = 60`);
  await store().pool.query('truncate api_metrics, system_metrics, user_events');
  const again = await ask();
  same([again.series, again.counts], [series, counts]);
});

test('rows that come while their hour is rolled up make the rollup one of the past', async () => {
  const events = randomEvents(2_000, seed, nowMs, 1);
  await foldEvents(store().pool, events.slice(0, 500));
  let isFolding = true;
  const rolling = (async () => {
    while (isFolding) {
      const { rows } = await store().pool.query<{ starts_at: Date }>(
        'select starts_at from rollup_marks where seconds = 3600 order by random() limit 3',
      );
      const starts = rows.map((row) => row.starts_at.getTime());
      await rollUp(store().pool, { seconds: HOUR_S, starts }, NEVER);
      await addUpAll();
    }
  })();
  for (let at = 500; at < events.length; at += 50) await foldEvents(store().pool, events.slice(at, at + 50));
  isFolding = false;
  await rolling;
  const mixed = await answers();
  await store().pool.query('delete from rollups');
  same(mixed, await answers());
});

test('two who roll up the same leave one rollup', async () => {
  await foldEvents(store().pool, randomEvents(400, seed, nowMs, 1));
  await makeQuiet();
  const due = await findDueRollups(store().pool);
  if (due === undefined) throw new Error('nothing is due');
  const outcomes = await Promise.allSettled([rollUp(store().pool, due, NEVER), rollUp(store().pool, due, NEVER)]);
  assert.ok(outcomes.some(({ status }) => status === 'fulfilled'));
  const platform = 'select count(*) from request_rollups where service_name is null';
  const distinct = 'select count(distinct (seconds, starts_at)) from request_rollups where service_name is null';
  assert.is(await count(store().pool, platform), await count(store().pool, distinct));
});

test('the worker rolls up what is over, but not the minute that goes on', async () => {
  await foldEvents(store().pool, randomEvents(600, seed, nowMs, 3));
  await makeQuiet();
  const worker = new RollupWorker({
    pool: store().pool,
    databaseUrl: store().url,
    retentionDays: RETENTION_DAYS,
    logger: testLogger,
  });
  worker.start();
  await waitFor(
    'all rollups',
    async () => {
      const days = await count(store().pool, 'select count(*) from rollups where seconds = 86400');
      return days > 0 && (await findDueRollups(store().pool)) === undefined ? true : undefined;
    },
    30_000,
  );
  await worker.stop();
  assert.ok((await upToDate()) > 0);
  assert.is(
    await count(store().pool, 'select count(*) from rollups where starts_at > now() - make_interval(secs => seconds)'),
    0,
  );
});

test('what is too much to be rolled up together is rolled up in smaller parts', async () => {
  await foldEvents(store().pool, randomEvents(200, seed, nowMs, 1));
  await makeQuiet();
  // As a statement that takes too long is refused.
  await store().pool.query(`
    create function refuse() returns trigger language plpgsql as $$
      begin
        if (select count(*) from fresh) > 20 then raise exception 'too much'; end if;
        return null;
      end $$;
    create trigger bounded after insert on rollups referencing new table as fresh
      for each statement execute function refuse()`);
  assert.ok((await count(store().pool, 'select count(*) from rollup_marks where seconds = 60')) > 40);
  const { pool, url: databaseUrl } = store();
  const worker = new RollupWorker({ pool, databaseUrl, retentionDays: RETENTION_DAYS, logger: testLogger });
  worker.start();
  await waitFor('all rollups', async () => ((await findDueRollups(pool)) === undefined ? true : undefined), 60_000);
  await worker.stop();
  assert.ok((await upToDate()) > 40);
});

test('rollups of minutes are dropped after two days, those of hours after the retention', async () => {
  await foldEvents(store().pool, randomEvents(600, seed, nowMs, 20));
  await rollUpAll();
  const kept = await count(store().pool, 'select count(*) from rollups where seconds = 3600');
  await store().pool.query(`update rollups set starts_at = starts_at - interval '3 days' where seconds < 3600`);
  await dropOldRollups(store().pool, 30);
  assert.is(await count(store().pool, 'select count(*) from rollups where seconds < 3600'), 0);
  assert.is(await count(store().pool, 'select count(*) from rollups where seconds = 3600'), kept);
  await dropOldRollups(store().pool, 2);
  assert.is(
    await count(store().pool, `select count(*) from request_rollups where starts_at < now() - interval '3 days'`),
    0,
  );
});

test.run();
