import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import { dropDay } from '../../src/projections/drop-day.js';
import type { RebuildOutcome, RebuildReport } from '../../src/projections/rebuild/rebuild-tables.js';
import { readCheckpoint } from '../../src/store/checkpoints.js';
import { dayOf, EVENT_TABLES, findPartition, listPartitions } from '../../src/store/partitions.js';
import { readPosition } from '../../src/store/summary-position.js';
import { runHere } from '../support/command-line.js';
import { count, type TestStore, testPool } from '../support/database.js';
import { appendUsers, ids, openLog, type TestLog } from '../support/log.js';
import { newProjector, testRedis, untilProjected } from '../support/projection.js';
import { randomEvents } from '../support/random-events.js';
import {
  appendEvents,
  begin,
  dumpTables,
  openProjected,
  project,
  rebuild,
  traces,
  WISHES,
} from '../support/rebuild-stage.js';
import { same } from '../support/same.js';
import { startTestNats, startTestRedis, waitFor } from '../support/servers.js';

const DAYS = 4;
const EVENTS = 2_100;
/** Between two reads or writes. */
const PACE_MS = 50;

const context: { nats?: ManagedServer; log?: TestLog; stores: TestStore[] } = { stores: [] };
const test = suite('rebuild');

function log(): TestLog {
  if (context.log === undefined) throw new Error('not opened');
  return context.log;
}

test.before(async () => {
  context.nats = await startTestNats();
  context.log = await openLog(context.nats.url);
  const events = randomEvents(EVENTS, 31, Date.now(), DAYS);
  await appendEvents(log(), events);
  // Resends that JetStream does not know as such, and what is a dead letter.
  const resends = events.slice(0, 50).flatMap(({ kind, body, id, occurredAtMs }) => {
    const payload = JSON.stringify({ ...body, id, occurred_at: new Date(occurredAtMs).toISOString() });
    const name = kind === 'user' ? body.event_type : body.service_name;
    return [{ subject: `metrics.events.${kind}.${name}`, payload: Buffer.from(payload) }];
  });
  await log().appender.appendAll(resends);
  await log().appender.appendAll(ids(3).map(() => ({ subject: 'metrics.events.user.x', payload: Buffer.from('{') })));
});
test.after.each(async () => {
  for (const store of context.stores.splice(0)) await store.close();
});
test.after(async () => {
  await context.log?.close();
  await context.nats?.stop();
});

async function projected(): Promise<TestStore> {
  const store = await openProjected(log());
  context.stores.push(store);
  return store;
}

function reportOf(outcome: RebuildOutcome): RebuildReport {
  if (!('report' in outcome) || outcome.report === undefined) throw new Error(`${outcome.kind} has no report`);
  return outcome.report;
}

/** What the report says of days that differ: table, lost, gained, changed. */
function differences(outcome: RebuildOutcome) {
  return reportOf(outcome).days.flatMap(({ table, difference }) =>
    difference === undefined
      ? []
      : [{ table, lost: difference.lost.first, gained: difference.gained.first, changed: difference.changed.first }],
  );
}

/** Connections on which whoever waits for a lock for longer than a second fails. */
function impatient(store: TestStore, connections: number): Pool {
  return testPool(`${store.url}?options=-c%20lock_timeout%3D1000`, connections);
}

async function generations(store: TestStore): Promise<number> {
  return await count(store.pool, `select generation as count from projection_checkpoints where name = 'tables'`);
}

test('while events arrive and are read: the same rows, no reader fails or sees an empty table, no trace is left', async () => {
  const store = await projected();
  const letters = (await log().manager.streams.info('METRICS_DEADLETTERS')).state.messages;
  await store.pool.query(
    `create role reader_of_${process.pid}; grant select on user_events to reader_of_${process.pid}`,
  );
  const projector = newProjector(log(), store);
  projector.start();
  const readers = impatient(store, 4);
  let reading = true;
  const seen = { reads: 0, lowest: Number.POSITIVE_INFINITY };
  const read = async (table: string): Promise<void> => {
    while (reading) {
      const { rows } = await readers.query(`select count(*)::int as n from ${table}`);
      seen.reads += 1;
      seen.lowest = Math.min(seen.lowest, rows[0].n);
      await sleep(PACE_MS);
    }
  };

  const before = await Promise.all(EVENT_TABLES.map((table) => count(store.pool, `select count(*) from ${table}`)));
  const reads = EVENT_TABLES.map(read);
  let appended = 0;
  const writing = (async () => {
    while (reading) {
      await appendUsers(log(), ids(20, `while-${appended}`));
      appended += 20;
      await sleep(PACE_MS);
    }
  })();
  const outcome = await rebuild(log(), store, begin());
  reading = false;
  await Promise.all([...reads, writing]);
  await untilProjected(log(), store);
  await projector.stop();
  await readers.end();

  assert.is(outcome.kind, 'swapped');
  assert.equal(differences(outcome), []);
  const { dead_letters: refused, duplicates } = reportOf(outcome);
  assert.equal(refused, { invalid_json: 3 });
  assert.is(duplicates, 50);
  assert.is((await log().manager.streams.info('METRICS_DEADLETTERS')).state.messages, letters, 'nothing is parked');
  assert.ok(seen.reads > 10 && seen.lowest >= Math.min(...before), JSON.stringify(seen));
  assert.equal(await traces(store), []);
  assert.is(await generations(store), 0);
  same(await dumpTables(store), await dumpTables(await projected()));
  const { rows: grants } = await store.pool.query(
    `select has_table_privilege('reader_of_${process.pid}', 'user_events', 'select') as may`,
  );
  assert.is(grants[0].may, true);
  await store.pool.query(`drop owned by reader_of_${process.pid}; drop role reader_of_${process.pid}`);
});

/** A row changed, one taken out and one made up by hand, each in another table. */
async function tamper(store: TestStore): Promise<{ changed: string; deleted: string; made: string }> {
  const one = async (table: string): Promise<string> => {
    const { rows } = await store.pool.query(`select event_id from ${table} order by stream_seq limit 1 offset 100`);
    return rows[0].event_id;
  };
  const [changed, deleted, made] = [await one('api_metrics'), await one('user_events'), 'made-up'];
  await store.pool.query('update api_metrics set status_code = status_code + 1 where event_id = $1', [changed]);
  await store.pool.query('delete from user_events where event_id = $1', [deleted]);
  await store.pool.query(
    `insert into system_metrics (service_name, metric_name, value, timestamp, event_id, stream_seq)
     values ('web', 'cpu_usage', 1, now(), $1, 1)`,
    [made],
  );
  return { changed, deleted, made };
}

test('rows changed by hand are told and put right; where rows would be lost, only by force', async () => {
  const store = await projected();
  const whole = await dumpTables(store);
  const { changed, deleted, made } = await tamper(store);
  await store.pool.query(
    `insert into rollups (seconds, starts_at, sequence)
     select 3600, starts_at, 1000000 from rollup_marks where seconds = 3600`,
  );
  const expected = [
    { table: 'user_events', lost: [], gained: [deleted], changed: [] },
    { table: 'system_metrics', lost: [made], gained: [], changed: [] },
    { table: 'api_metrics', lost: [], gained: [], changed: [changed] },
  ];

  const dry = await rebuild(log(), store, begin({ dryRun: true }));
  assert.is(dry.kind, 'compared');
  assert.equal(differences(dry), expected);
  assert.equal(await traces(store), []);

  const outcome = await rebuild(log(), store, begin());
  assert.ok(outcome.kind === 'refused' && outcome.reason === 'would_lose_rows');
  assert.equal(differences(outcome), expected);
  assert.is(await count(store.pool, `select count(*) from system_metrics where event_id = '${made}'`), 1);

  const again = await rebuild(log(), store, begin());
  assert.ok(again.kind === 'refused' && again.reason === 'rebuild_unfinished');
  const forced = await rebuild(log(), store, { kind: 'resume', force: true });
  assert.is(forced.kind, 'swapped');
  assert.is(reportOf(forced).events, 0, 'what was folded is not folded again');
  same(await dumpTables(store), whole);
  assert.is(await generations(store), 1);
  const touched = `select count(*) from rollups inner join unnest($1::date[]) as day
    on (starts_at at time zone 'UTC')::date = day`;
  const days = reportOf(forced).days.filter(({ difference }) => difference !== undefined);
  assert.is(await count(store.pool, touched, [[...new Set(days.map(({ day }) => day))]]), 0);
  assert.ok((await count(store.pool, 'select count(*) from rollups')) > 0, 'those of other days stand');
  assert.equal(await traces(store), []);
});

test('one table alone is replaced; sessions stand where user events are the same', async () => {
  const store = await projected();
  const { changed } = await tamper(store);
  await store.pool.query(
    `insert into projection_checkpoints (name, sequence, epoch, holder, stream_created_at, last_event_id,
       last_stored_at_ms, updated_at) values ('sessions', 1, 1, '', '', '', 0, now())`,
  );
  const outcome = await rebuild(log(), store, begin({}, ['api_metrics']));
  assert.equal(differences(outcome), [{ table: 'api_metrics', lost: [], gained: [], changed: [changed] }]);
  const stood = `select count(*) from projection_checkpoints where name in ('tables', 'sessions') and generation = 1`;
  assert.is(await count(store.pool, stood), 2);
  assert.is(await count(store.pool, `select count(*) from system_metrics where event_id = 'made-up'`), 1);
  assert.equal(await traces(store), []);
});

test('kept tables come back with what came since; a rollback that would lose rows is refused, and can be called off', async () => {
  const store = await projected();
  const { deleted } = await tamper(store);
  await store.pool.query(`delete from system_metrics where event_id = 'made-up'`);
  assert.is((await rebuild(log(), store, { kind: 'rollback', wishes: WISHES, force: false })).kind, 'refused');
  assert.is((await rebuild(log(), store, begin({ keep: true }))).kind, 'swapped');
  const kept = await traces(store);
  assert.ok(kept.includes('metrics_previous') && !kept.includes('metrics_shadow') && !kept.includes('checkpoint'));
  const whole = await dumpTables(store);
  await appendUsers(log(), ids(5, `since-${process.pid}`));
  await project(log(), store);

  const rollback = { kind: 'rollback', wishes: WISHES } as const;
  const refused = await rebuild(log(), store, { ...rollback, force: false });
  assert.ok(refused.kind === 'refused' && refused.reason === 'would_lose_rows');
  assert.is(reportOf(refused).events, 5, 'from where they were on');
  assert.is((await rebuild(log(), store, { kind: 'abort' })).kind, 'aborted');
  assert.equal(await traces(store), kept);
  assert.is((await rebuild(log(), store, { ...rollback, force: true })).kind, 'swapped');
  assert.equal(await traces(store), []);
  const back = await dumpTables(store);
  assert.is(back.user_events.length, whole.user_events.length + 5 - 1);
  assert.is(await count(store.pool, `select count(*) from user_events where event_id = $1`, [deleted]), 0);
  // A rebuild keeps nothing unless it is told to, also of what an earlier one has kept.
  assert.is((await rebuild(log(), store, begin({ keep: true }))).kind, 'swapped');
  assert.is((await rebuild(log(), store, begin())).kind, 'swapped');
  assert.equal(await traces(store), []);
});

test('interrupted before the swap it goes on where it was, or leaves no trace', async () => {
  const store = await projected();
  const whole = await dumpTables(store);
  const stopAt = async (phase: string): Promise<void> => {
    const stop = new AbortController();
    const onProgress = (at: { phase: string }): void => {
      if (at.phase === phase) stop.abort(new Error('interrupted'));
    };
    const outcome = rebuild(log(), store, begin({ keep: true }), { signal: stop.signal, onProgress });
    await outcome.then(
      () => assert.unreachable(),
      (error: Error) => assert.is(error.message, 'interrupted'),
    );
  };
  await stopAt('fold');
  assert.is((await rebuild(log(), store, { kind: 'abort' })).kind, 'aborted');
  assert.equal(await traces(store), []);
  assert.is((await rebuild(log(), store, { kind: 'abort' })).kind, 'nothing_to_abort');
  const nothing = await rebuild(log(), store, { kind: 'resume', force: false });
  assert.ok(nothing.kind === 'refused' && nothing.reason === 'nothing_to_resume');

  await stopAt('fold');
  const folded = await count(store.pool, `select sequence as count from projection_checkpoints where name = 'rebuild'`);
  assert.ok(folded > 0);
  const { state } = await log().manager.streams.info('METRICS');
  const outcome = await rebuild(log(), store, { kind: 'resume', force: false });
  assert.ok(outcome.kind === 'swapped' && outcome.kept, 'what was asked for at the beginning holds');
  assert.is(reportOf(outcome).events, state.last_seq - folded);
  same(await dumpTables(store), whole);
});

test('interrupted behind the swap the service works, with new days too, and all is cleared up later', async () => {
  const store = await projected();
  const stop = new AbortController();
  const onProgress = ({ phase }: { phase: string }): void => {
    if (phase === 'swap') stop.abort(new Error('interrupted'));
  };
  await rebuild(log(), store, begin(), { signal: stop.signal, onProgress }).then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'interrupted'),
  );
  assert.ok((await traces(store)).includes('metrics_previous'), 'the swap itself is whole');
  for (const [request, reason] of [
    [begin(), 'rebuild_unfinished'],
    [{ kind: 'abort' }, 'already_swapped'],
  ] as const) {
    const outcome = await rebuild(log(), store, request);
    assert.ok(outcome.kind === 'refused' && outcome.reason === reason);
  }
  // A day that is dropped, and comes again while its old partition has the name.
  const [oldest] = await listPartitions(store.pool, 'user_events');
  if (oldest === undefined) throw new Error('no partitions');
  assert.is(await dropDay(store.pool, oldest.day), 'dropped');
  store.partitions.forget();
  await store.partitions.ensure([oldest.day, dayOf(Date.now()) + 20]);
  assert.is(
    await findPartition(store.pool, 'user_events', oldest.day),
    oldest.name.replace('metrics_shadow', 'public'),
  );
  await appendUsers(log(), ids(5, `behind-${process.pid}`));
  await project(log(), store);
  const whole = await dumpTables(store);
  assert.is((await rebuild(log(), store, { kind: 'resume', force: false })).kind, 'settled');
  assert.equal(await traces(store), []);
  same(await dumpTables(store), whole);
});

test('a day that the retention has dropped does not come back; one that somebody dropped within it does', async () => {
  const store = await projected();
  const days = (await listPartitions(store.pool, 'user_events')).map(({ day }) => day);
  const [oldest = 0, second = 0] = days;
  assert.is(await dropDay(store.pool, oldest), 'dropped');
  const base = await count(store.pool, `select sum(value) as count from counter_bases where kind = 'events'`);
  assert.ok(base > 0);
  await store.pool.query(`drop table ${await findPartition(store.pool, 'user_events', second + 1)}`);
  const outcome = await rebuild(log(), store, begin());
  assert.is(outcome.kind, 'swapped');
  const found = (await listPartitions(store.pool, 'user_events')).map(({ day }) => day);
  assert.not.ok(found.includes(oldest));
  assert.ok(found.includes(second + 1));
  const differing = differences(outcome);
  assert.equal(
    differing.map(({ table, lost }) => ({ table, lost })),
    [{ table: 'user_events', lost: [] }],
  );
});

test('readers that have the tables for long are not waited for; nobody behind them waits for long', async () => {
  const store = await projected();
  const reader = impatient(store, 2);
  const holding = await reader.connect();
  await holding.query('begin; select count(*) from user_events');
  const outcome = rebuild(log(), store, begin());
  // It has tried and given way several times, while others read.
  let tries = 0;
  await waitFor(
    'the swap to wait',
    async () => {
      const { rows } = await store.pool.query(
        `select 1 from pg_locks where not granted and mode = 'AccessExclusiveLock' and relation = 'user_events'::regclass`,
      );
      if (rows.length > 0) tries += 1;
      await reader.query('select count(*) from user_events');
      return tries >= 3 ? true : undefined;
    },
    60_000,
  );
  await holding.query('commit');
  holding.release();
  const swapped = await outcome;
  assert.ok(swapped.kind === 'swapped' && swapped.swapAttempts > 1);
  await reader.end();
});

test('on the command line: what it says, its exit status, and the summaries, which are built where no service does', async () => {
  const store = await projected();
  const redisServer = await startTestRedis();
  const redis = testRedis(redisServer);
  const env = {
    NATS_URL: context.nats?.url,
    DATABASE_URL: store.url,
    REDIS_HOST: '127.0.0.1',
    REDIS_PORT: String(redisServer.port),
  };
  try {
    const { deleted } = await tamper(store);
    const dry = await runHere(['rebuild', 'user_events', '--dry-run'], env);
    assert.is(dry.status, 1, dry.stderr);
    assert.match(dry.stdout, new RegExp(`rebuilt [0-9,]+: 1 gained \\(${deleted}\\)`));
    assert.match(dry.stdout, 'Nothing was swapped');
    const refused = await runHere(['rebuild', 'all', '--json'], env);
    assert.is(refused.status, 1, refused.stderr);
    assert.is(JSON.parse(refused.stdout).reason, 'would_lose_rows');
    const forced = await runHere(['rebuild', '--resume', '--force', '--json'], env);
    assert.is(forced.status, 0, forced.stderr);
    assert.is(JSON.parse(forced.stdout).outcome, 'swapped');
    const first = await readPosition(redis);
    assert.is(first?.tables, '1', 'all is the tables and the summaries');
    const summaries = await runHere(['rebuild', 'summaries'], env);
    assert.is(summaries.status, 0, summaries.stderr);
    const second = await readPosition(redis);
    assert.is(second?.tables, '2');
    assert.not.equal(second?.generation, first?.generation);
    assert.equal(await traces(store), []);
    const wrong = [[], ['nothing'], ['all', '--resume'], ['--abort', '--keep'], ['summaries', '--keep']];
    for (const args of [...wrong, ['all', '--nice-ratio', '101'], ['all', '--nice-ratio', 'x']]) {
      assert.is((await runHere(['rebuild', ...args], env)).status, 2, args.join(' '));
    }
    assert.is((await runHere(['rebuild', '--abort'], env)).status, 0);
    assert.is((await runHere(['rebuild', '--rollback'], env)).status, 1);
    assert.is((await runHere(['rebuild', 'all'], { ...env, NATS_URL: 'nats://127.0.0.1:1' })).status, 3);
    const withoutRedis = await runHere(['rebuild', 'summaries'], { ...env, REDIS_PORT: '1' });
    assert.is(withoutRedis.status, 3, withoutRedis.stderr);
    assert.is((await readPosition(redis))?.tables, '2', 'nothing was asked for');
    assert.is((await readCheckpoint(store.pool, 'tables'))?.generation, 2);
  } finally {
    redis.disconnect();
    await redisServer.stop();
  }
});

test('where the session breaks that says who leads, it is gone on with', async () => {
  const store = await projected();
  const before = await dumpTables(store);
  const broken: Promise<number>[] = [];
  const breakLease = (): void => {
    if (broken.length > 0) return;
    const sql = `select count(pg_terminate_backend(pid)) from pg_stat_activity
      where datname = current_database() and application_name = 'metrics-service rebuild lease'`;
    broken.push(count(store.pool, sql));
  };
  // It rests for so long that the loss is noticed before it goes on.
  const outcome = await rebuild(log(), store, begin(), { niceRatio: 30, onProgress: breakLease });
  assert.is(outcome.kind, 'swapped');
  assert.equal(await Promise.all(broken), [1]);
  const { state } = await log().manager.streams.info('METRICS');
  assert.ok(reportOf(outcome).events < state.messages, 'only what was left was folded');
  same(await dumpTables(store), before);
  assert.equal(await traces(store), []);
});

test('another log, or none, is refused; of two rebuilds at once one', async () => {
  const store = await projected();
  const [first, second] = await Promise.all([rebuild(log(), store, begin()), rebuild(log(), store, begin())]);
  assert.equal([first.kind, second.kind].sort(), ['refused', 'swapped']);
  await store.pool.query(`update projection_checkpoints set last_event_id = 'another' where name = 'tables'`);
  const other = await rebuild(log(), store, begin());
  assert.ok(other.kind === 'refused' && other.reason === 'different_log');
  await store.pool.query(`delete from projection_checkpoints`);
  const none = await rebuild(log(), store, begin());
  assert.ok(none.kind === 'refused' && none.reason === 'nothing_projected');
  assert.equal(await traces(store), []);
});

test.run();
