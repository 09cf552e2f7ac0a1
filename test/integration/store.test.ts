import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MIGRATION_NAMES } from '../../migrations/names.js';
import {
  beginEpoch,
  isCatchingUp,
  moveCheckpoint,
  readCheckpoint,
  TABLES_PROJECTION,
} from '../../src/store/checkpoints.js';
import {
  ApiMetricRow,
  CounterBase,
  ProjectionCheckpoint,
  SystemMetricRow,
  UserEventRow,
} from '../../src/store/entities.js';
import { Lease } from '../../src/store/lease.js';
import { migrate } from '../../src/store/migrate.js';
import { MIGRATIONS, openOrm } from '../../src/store/orm.js';
import {
  dayOf,
  EVENT_TABLES,
  findPartition,
  listPartitions,
  Partitions,
  PREVIOUS_SCHEMA,
  partitionName,
  SHADOW_SCHEMA,
  TIME_COLUMNS,
} from '../../src/store/partitions.js';
import { classifyFailure, inTransaction } from '../../src/store/postgres.js';
import { count, openStore, type TestStore, testPool } from '../support/database.js';
import { testDatabase, waitFor } from '../support/servers.js';

const context: { store?: TestStore } = {};
const test = suite('store');
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

test('the names of the migrations are those of the migrations', () => {
  assert.equal(
    MIGRATION_NAMES,
    MIGRATIONS.map(({ name }) => name),
  );
});

test('migrating twice, and in two processes at once, does the work once', async () => {
  assert.equal(await migrate(store().url), []);
  const fresh = await testDatabase({ empty: true });
  const done = await Promise.all([migrate(fresh.url), migrate(fresh.url)]);
  assert.equal(done.flat(), MIGRATION_NAMES);
  await fresh.drop();
});

test('every entity reads a row of the migrated schema', async () => {
  const now = new Date();
  await store().partitions.ensure([dayOf(now.getTime())]);
  await store().pool.query(
    `insert into user_events (event_type, created_at, event_id, stream_seq, user_id, metadata)
     values ('a', $1, 'u', 1, 2, '{"k":[1]}')`,
    [now],
  );
  await store().pool.query(
    `insert into system_metrics (service_name, metric_name, value, timestamp, event_id, stream_seq)
     values ('s', 'm', 123456789012.000001, $1, 's', 9007199254740993)`,
    [now],
  );
  await store().pool.query(
    `insert into api_metrics (endpoint, method, status_code, response_time_ms, timestamp, service_name, event_id,
       stream_seq, route, response_bytes) values ('/', 'GET', 200, 1.234, $1, 's', 'a', 3, '/', 1099511627776)`,
    [now],
  );
  await beginEpoch(store().pool, 'tables', 'me', 'then');
  await store().pool.query(`insert into counter_bases values ('events', 'user_login', 9007199254740993)`);
  const orm = await openOrm(store().url);
  try {
    const em = orm.em.fork();
    const user = await em.findOneOrFail(UserEventRow, { event_id: 'u' });
    assert.equal([user.user_id, user.metadata, user.created_at], [2, { k: [1] }, now]);
    const system = await em.findOneOrFail(SystemMetricRow, { event_id: 's' });
    assert.equal([system.value, String(system.stream_seq)], ['123456789012.000001', '9007199254740993']);
    const api = await em.findOneOrFail(ApiMetricRow, { event_id: 'a' });
    assert.equal(
      [api.response_time_ms, String(api.response_bytes), api.request_bytes],
      ['1.234', '1099511627776', null],
    );
    const checkpoint = await em.findOneOrFail(ProjectionCheckpoint, { name: 'tables' });
    assert.equal([checkpoint.holder, String(checkpoint.epoch)], ['me', '1']);
    const base = await em.findOneOrFail(CounterBase, { kind: 'events', key: 'user_login' });
    assert.is(base.value, '9007199254740993');
  } finally {
    await orm.close();
  }
});

test('every column of the tables is a property of its entity', async () => {
  for (const entity of [UserEventRow, SystemMetricRow, ApiMetricRow, ProjectionCheckpoint]) {
    const { tableName, properties } = entity.meta;
    const { rows } = await store().pool.query<{ column_name: string }>(
      'select column_name from information_schema.columns where table_name = $1 order by column_name',
      [tableName],
    );
    assert.equal(
      Object.keys(properties).sort(),
      rows.map((row) => row.column_name),
      tableName,
    );
  }
});

test('partitions are made ahead of time, with the indexes of their parents and a unique event id', async () => {
  const nowMs = Date.UTC(2026, 10, 24, 23, 59);
  await store().partitions.ensureAhead(nowMs, 2);
  await store().partitions.ensureAhead(nowMs, 2);
  for (const table of EVENT_TABLES) {
    const { rows } = await store().pool.query<{ name: string }>(
      'select inhrelid::regclass::text as name from pg_inherits where inhparent = $1::regclass order by 1',
      [table],
    );
    const days = [20261123, 20261124, 20261125, 20261126];
    assert.equal(
      rows.map(({ name }) => name),
      days.map((day) => `${table}_p${day}`),
    );
    const first = partitionName(table, dayOf(nowMs));
    const indexesOf = (name: string): Promise<number> =>
      count(store().pool, 'select count(*) from pg_indexes where tablename = $1', [name]);
    assert.is(await indexesOf(first), (await indexesOf(table)) + 1, `${first} has those of its parent and its own`);
  }
});

test('a partition is found by its parent, whatever schema it is in; a name that replaced tables have is cleared', async () => {
  const { pool } = store();
  await store().partitions.ensure([20_000]);
  const [first] = await listPartitions(pool, 'user_events');
  assert.equal(first, { name: 'public.user_events_p20241004', schema: 'public', day: 20_000 });
  assert.is(await findPartition(pool, 'user_events', 20_001), undefined);
  // As between a swap and what clears up behind it.
  await pool.query(`create schema ${PREVIOUS_SCHEMA}; create schema ${SHADOW_SCHEMA}`);
  for (const table of EVENT_TABLES) {
    await pool.query(`create table ${SHADOW_SCHEMA}.${table} (like ${table} including all)
      partition by range (${TIME_COLUMNS[table]})`);
  }
  await new Partitions(pool, SHADOW_SCHEMA).ensure([20_000]);
  for (const table of EVENT_TABLES) {
    await pool.query(`alter table ${table} set schema ${PREVIOUS_SCHEMA}`);
    await pool.query(`alter table ${SHADOW_SCHEMA}.${table} set schema public`);
  }
  assert.is(await findPartition(pool, 'user_events', 20_000), `${SHADOW_SCHEMA}.user_events_p20241004`);
  assert.is(await findPartition(pool, 'user_events', 20_000, PREVIOUS_SCHEMA), 'public.user_events_p20241004');
  await new Partitions(pool).ensure([20_000]);
  assert.is((await listPartitions(pool, 'user_events')).length, 1);
  // A day that only the replaced tables have.
  await pool.query(`drop table ${SHADOW_SCHEMA}.user_events_p20241004`);
  await new Partitions(pool).ensure([20_000]);
  assert.is(await findPartition(pool, 'user_events', 20_000), 'public.user_events_p20241004');
  assert.is(
    await findPartition(pool, 'user_events', 20_000, PREVIOUS_SCHEMA),
    `${PREVIOUS_SCHEMA}.user_events_p20241004`,
  );
});

test('two processes that make the same partition at once both succeed', async () => {
  const pools = [testPool(store().url), testPool(store().url)];
  const days = Array.from({ length: 5 }, (_, index) => 20_000 + index);
  await Promise.all(pools.map((pool) => new Partitions(pool).ensure(days)));
  assert.is(await count(store().pool, "select count(*) from pg_inherits where inhparent = 'user_events'::regclass"), 5);
  await Promise.all(pools.map((pool) => pool.end()));
});

test('a day begins and ends at midnight UTC, whatever the time zone of the database', async () => {
  await store().pool.query(
    `do $$ begin execute format('alter database %I set timezone to ''Asia/Tokyo''', current_database()); end $$`,
  );
  const pool = testPool(store().url);
  const day = dayOf(Date.UTC(2026, 10, 24));
  await new Partitions(pool).ensure([day]);
  const insert = (time: string) =>
    pool.query(
      `insert into user_events (event_type, created_at, event_id, stream_seq) values ('a', $1::timestamptz, 'x' || $1::text, 1)`,
      [time],
    );
  await insert('2026-11-24T00:00:00Z');
  await insert('2026-11-24T23:59:59.999Z');
  await rejects(() => insert('2026-11-25T00:00:00Z'), 'missing_partition');
  await pool.end();
});

test('tables are catching up while they move and the log is ahead of them', async () => {
  const { pool } = store();
  assert.is(await isCatchingUp(pool), false, 'nothing was ever projected');
  await beginEpoch(pool, TABLES_PROJECTION, 'test', 'then');
  const stands = async (storedAgo: string, movedAgo: string): Promise<boolean> => {
    await pool.query(
      `update projection_checkpoints set updated_at = now() - $1::interval,
         last_stored_at_ms = (extract(epoch from now() - $2::interval) * 1000)::bigint`,
      [movedAgo, storedAgo],
    );
    return await isCatchingUp(pool);
  };
  assert.is(await stands('1 hour', '0 s'), true);
  assert.is(await stands('1 hour', '1 minute'), false, 'they stand still: the log has no more, or nobody projects');
  assert.is(await stands('1 s', '0 s'), false, 'they are where the log is');
});

test('a late day is locked against no reader or writer of other days', async () => {
  await store().partitions.ensure([20_000]);
  const reader = await store().pool.connect();
  await reader.query('begin');
  await reader.query('select count(*) from user_events');
  await reader.query(
    `insert into user_events (event_type, created_at, event_id, stream_seq) values ('a', to_timestamp(20000 * 86400), 'x', 1)`,
  );
  await store().partitions.ensure([20_001]);
  await reader.query('commit');
  reader.release();
});

test('failures are sorted by what they ask for', async () => {
  const { pool, partitions } = store();
  await partitions.ensure([20_000]);
  const insert = (type: string, id: string, day = 20_000) =>
    pool.query(
      `insert into user_events (event_type, created_at, event_id, stream_seq)
       values ($1, to_timestamp($3::bigint * 86400), $2, 1)`,
      [type, id, day],
    );
  await insert('a', 'x');
  await rejects(() => insert('a', 'x'), 'duplicate');
  await rejects(() => insert('a', 'y', 20_005), 'missing_partition');
  await rejects(() => insert('a'.repeat(101), 'y'), 'refused_row');
  await rejects(() => pool.query(`select '{"a":"\\u0000"}'::jsonb`), 'refused_row');
  await rejects(() => pool.query('select * from no_such_table'), 'try_again');
  await rejects(
    () => inTransaction(pool, (client) => client.query('set local statement_timeout = 20; select pg_sleep(1)')),
    'try_again',
  );
  assert.is(classifyFailure(new Error('Connection terminated unexpectedly')), 'try_again');
  await pool.query("alter table user_events add constraint no_poison check (event_type <> 'poison')");
  await rejects(() => insert('poison', 'z'), 'refused_row');
});

async function rejects(work: () => Promise<unknown>, failure: string): Promise<void> {
  try {
    await work();
  } catch (error) {
    assert.is(classifyFailure(error), failure);
    return;
  }
  assert.unreachable(`${failure} was expected`);
}

test('a missing partition is known whatever language Postgres speaks', () => {
  const german = new pg.DatabaseError('keine Partition von Relation »user_events« für die Zeile gefunden', 1, 'error');
  german.code = '23514';
  assert.is(classifyFailure(german), 'missing_partition');
  german.constraint = 'no_poison';
  assert.is(classifyFailure(german), 'refused_row');
});

test('a process that stops within a transaction keeps its locks for a bounded time', async () => {
  const { rows } = await store().pool.query('show idle_in_transaction_session_timeout');
  assert.equal({ ...rows[0] }, { idle_in_transaction_session_timeout: '15s' });
});

test('a checkpoint moves only from where the batch began and only under its epoch', async () => {
  const { pool } = store();
  assert.is(await readCheckpoint(pool, 'p'), undefined);
  const first = await beginEpoch(pool, 'p', 'one', 'stream-1');
  assert.equal([first.sequence, first.epoch, first.streamCreatedAt], [0, 1, 'stream-1']);
  const move = (from: typeof first, sequence: number) =>
    inTransaction(pool, (client) =>
      moveCheckpoint(client, 'p', from, { sequence, lastEventId: 'x', lastStoredAtMs: 7 }),
    );
  assert.is(await move(first, 10), true);
  assert.is(await move(first, 10), false, 'from another position');
  const second = await beginEpoch(pool, 'p', 'two', 'stream-2');
  assert.equal([second.sequence, second.epoch, second.lastEventId], [10, 2, 'x']);
  assert.is(second.streamCreatedAt, 'stream-1', 'the stream is that of the events in the tables');
  assert.is(await move({ ...first, sequence: 10 }, 20), false, 'under an older epoch');
  assert.is(await move(second, 20), true);
});

test('one process has the lease; giving it back, or losing its session, frees it', async () => {
  const first = await Lease.tryAcquire(store().url, 'projector');
  assert.ok(first !== undefined);
  assert.is(await Lease.tryAcquire(store().url, 'projector'), undefined);
  const other = await Lease.tryAcquire(store().url, 'summaries');
  assert.ok(other !== undefined, 'each lock is its own');
  await other.release();
  await first.release();
  assert.ok(first.lost);
  const second = await Lease.tryAcquire(store().url, 'projector');
  assert.ok(second !== undefined);
  await store().pool.query(
    // Other tests have leases on this server, too.
    `select pg_terminate_backend(pid) from pg_stat_activity
     where application_name like '%lease' and datname = current_database()`,
  );
  await waitFor('the loss to be noticed', () => (second.lost ? true : undefined));
  assert.ok(second.signal.aborted);
  const third = await Lease.tryAcquire(store().url, 'projector');
  assert.ok(third !== undefined);
  await third.release();
  await second.release();
});

test('the lease of a process that was stopped goes to another within 15 s, and the stopped one learns it', async () => {
  const program = fileURLToPath(new URL('../support/hold-lease.js', import.meta.url));
  const holder = spawn(process.execPath, [program, store().url, 'projector'], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [said] = await once(holder.stdout, 'data');
    assert.is(String(said).trim(), 'held');
    assert.is(await Lease.tryAcquire(store().url, 'projector'), undefined);
    holder.kill('SIGSTOP');
    const lease = await waitFor('the lease', () => Lease.tryAcquire(store().url, 'projector'), 15_000);
    await lease.release();
    const exited = once(holder, 'exit');
    holder.kill('SIGCONT');
    await exited;
    assert.is(holder.exitCode, 0, 'nothing keeps it, since it lost the lease');
  } finally {
    holder.kill('SIGKILL');
  }
});

test.run();
