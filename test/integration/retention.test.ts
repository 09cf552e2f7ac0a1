import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RetentionWorker } from '../../src/projections/retention-worker.js';
import {
  EVENT_TABLES,
  firstKeptDay,
  listPartitions,
  Partitions,
  PREVIOUS_SCHEMA,
  partitionName,
} from '../../src/store/partitions.js';
import { inTransaction } from '../../src/store/postgres.js';
import { count, openStore, type TestStore } from '../support/database.js';
import { testLogger } from '../support/projection.js';
import { waitFor } from '../support/servers.js';

const DAY_MS = 86_400_000;
const RETENTION_DAYS = 3;
const NOW_MS = Date.UTC(2026, 10, 28, 9);
const FIRST_KEPT = firstKeptDay(NOW_MS, RETENTION_DAYS);
const DAYS = Array.from({ length: 8 }, (_, index) => FIRST_KEPT - 4 + index);

const context: { store?: TestStore } = {};
const test = suite('retention');
function store(): TestStore {
  if (context.store === undefined) throw new Error('not opened');
  return context.store;
}
test.before.each(async () => {
  context.store = await openStore();
  await store().partitions.ensure(DAYS);
});
test.after.each(() => store().close());

function newWorker(): RetentionWorker {
  const { pool, url } = store();
  const now = (): number => NOW_MS;
  return new RetentionWorker({ pool, databaseUrl: url, retentionDays: RETENTION_DAYS, logger: testLogger, now });
}

async function days(): Promise<number[]> {
  const ofTables = await Promise.all(EVENT_TABLES.map((table) => listPartitions(store().pool, table)));
  return [...new Set(ofTables.flat().map(({ day }) => day))].sort((a, b) => a - b);
}

async function untilDays(wanted: readonly number[]): Promise<void> {
  await waitFor(`the days ${wanted}`, async () => ((await days()).join() === wanted.join() ? true : undefined), 30_000);
}

test('a day is kept while a moment of it is within the retention', () => {
  assert.is(firstKeptDay(Date.UTC(2026, 10, 28, 0), 1), Date.UTC(2026, 10, 27) / DAY_MS);
  assert.is(firstKeptDay(Date.UTC(2026, 10, 28, 23, 59), 1), Date.UTC(2026, 10, 27) / DAY_MS);
});

test('days past the retention are dropped at start, with what they contributed to the counters kept', async () => {
  const { pool } = store();
  await pool.query(
    `insert into user_events (event_type, created_at, event_id, stream_seq)
     select 'user_login', to_timestamp(day * 86400.0), day, day from unnest($1::integer[]) as day`,
    [DAYS],
  );
  const worker = newWorker();
  worker.start();
  await untilDays(DAYS.filter((day) => day >= FIRST_KEPT));
  await worker.stop();
  assert.is(await count(pool, 'select count(*) from user_events'), DAYS.length - 4);
  assert.is(await count(pool, `select value as count from counter_bases where kind = 'events'`), 4);
});

test('days of tables that a rebuild has kept go, too, and count nothing a second time', async () => {
  const { pool } = store();
  await pool.query(`create schema ${PREVIOUS_SCHEMA}`);
  await pool.query(
    `create table ${PREVIOUS_SCHEMA}.user_events (like user_events including all) partition by range (created_at)`,
  );
  await new Partitions(pool, PREVIOUS_SCHEMA, ['user_events']).ensure(DAYS);
  await pool.query(
    `insert into ${PREVIOUS_SCHEMA}.user_events (event_type, created_at, event_id, stream_seq)
     select 'user_login', to_timestamp(day * 86400.0), day, day from unnest($1::integer[]) as day`,
    [DAYS],
  );
  const worker = newWorker();
  worker.start();
  await waitFor(
    'the kept tables to have no day past the retention',
    async () => {
      const kept = await listPartitions(pool, 'user_events', PREVIOUS_SCHEMA);
      return kept.every(({ day }) => day >= FIRST_KEPT) ? kept.length : undefined;
    },
    30_000,
  );
  await worker.stop();
  assert.is(await count(pool, `select count(*) from ${PREVIOUS_SCHEMA}.user_events`), DAYS.length - 4);
  assert.is(await count(pool, 'select count(*) from counter_bases'), 0);
});

test('a day that somebody reads is dropped when nobody does any more, and holds up no other', async () => {
  const [first = 0, ...others] = DAYS;
  const worker = newWorker();
  await inTransaction(store().pool, async (reader) => {
    await reader.query(`select count(*) from ${partitionName('user_events', first)}`);
    worker.start();
    // While the reader is there, its day is not to be had.
    await untilDays([first, ...others.filter((day) => day >= FIRST_KEPT)]);
  });
  await untilDays(DAYS.filter((day) => day >= FIRST_KEPT));
  await worker.stop();
});

test.run();
