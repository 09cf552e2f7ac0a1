import * as fc from 'fast-check';
import type { Pool } from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import '../support/seed.js';
import { findRefusedRows, type WriteMode } from '../../src/projections/insert-rows.js';
import type { Row } from '../../src/projections/rows.js';
import { SeriesRegistry } from '../../src/projections/series-registry.js';
import { foldDelta, type SummaryDelta } from '../../src/projections/summary-delta.js';
import { type WriteOutcome, writeBatch } from '../../src/projections/write-batch.js';
import { beginEpoch, type Checkpoint } from '../../src/store/checkpoints.js';
import { dayOf } from '../../src/store/partitions.js';
import { classifyFailure } from '../../src/store/postgres.js';
import { count, openStore, type TestStore } from '../support/database.js';
import { NO_BUSINESS, row } from '../support/events.js';

const context: { store?: TestStore } = {};
const test = suite('write batch');
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

const LOGIN = 'metrics.events.user.user_login';
const CPU = 'metrics.events.system.billing';
const REQUEST = 'metrics.events.api.web';
const NOW_MS = Date.now();
const HOUR_MS = 3_600_000;
const iso = (timeMs: number): string => new Date(timeMs).toISOString();

async function write(from: Checkpoint, rows: readonly Row[], mode: WriteMode = 'copy'): Promise<WriteOutcome> {
  await store().partitions.ensure(new Set(rows.map(({ timeMs }) => dayOf(timeMs))));
  const registry = new SeriesRegistry([]);
  const fold = (some: readonly Row[]): SummaryDelta => foldDelta(some, registry, NO_BUSINESS);
  const batch = {
    rows,
    toSequence: rows.at(-1)?.sequence ?? from.sequence,
    lastEventId: rows.at(-1)?.eventId ?? '',
    lastStoredAtMs: 0,
    delta: fold(rows),
    freshSeries: registry.takeFresh(),
  };
  return await writeBatch(store().pool, 'tables', from, batch, mode, fold);
}
async function written(from: Checkpoint, rows: readonly Row[], mode: WriteMode = 'copy') {
  const outcome = await write(from, rows, mode);
  if (outcome.kind !== 'applied') throw new Error(outcome.kind);
  return outcome;
}
const begin = (): Promise<Checkpoint> => beginEpoch(store().pool, 'tables', 'test', 'then');
const lastDelta = async (pool: Pool): Promise<SummaryDelta> => {
  const { rows } = await pool.query<{ delta: SummaryDelta }>(
    'select delta from summary_outbox order by to_sequence desc limit 1',
  );
  const delta = rows[0]?.delta;
  if (delta === undefined) throw new Error('no delta');
  return delta;
};
const login = (sequence: number, fields: object = {}, headers: Record<string, string> = {}): Row =>
  row(LOGIN, { id: `e-${sequence}`, occurred_at: iso(NOW_MS), user_id: sequence, ...fields }, { sequence, headers });

test('rows of all three kinds, series, delta and checkpoint are written together', async () => {
  const at = { occurred_at: iso(NOW_MS - HOUR_MS) };
  const rows = [
    login(1, { metadata: { a: 'ü "\\ \n' } }),
    row(CPU, { metric_name: 'cpu_usage', value: 0.1, tags: { h: 1 }, ...at }, { sequence: 2 }),
    row(
      REQUEST,
      { endpoint: '/a?b', method: 'get', status_code: 503, response_time_ms: 1.23456, request_bytes: 2 ** 40, ...at },
      { sequence: 3 },
    ),
  ];
  const { inserted, duplicates, checkpoint } = await written(await begin(), rows);
  assert.equal([inserted, duplicates, checkpoint.sequence], [3, 0, 3]);
  const { pool } = store();
  const { rows: users } = await pool.query('select user_id, metadata, event_id, stream_seq from user_events');
  assert.equal({ ...users[0] }, { user_id: 1, metadata: { a: 'ü "\\ \n' }, event_id: 'e-1', stream_seq: '1' });
  const { rows: system } = await pool.query('select value, timestamp, event_id from system_metrics');
  assert.equal({ ...system[0] }, { value: '0.1', timestamp: new Date(NOW_MS - HOUR_MS), event_id: 'METRICS:2' });
  const { rows: api } = await pool.query(
    'select endpoint, route, method, response_time_ms, request_bytes, user_id from api_metrics',
  );
  assert.equal(
    { ...api[0] },
    {
      endpoint: '/a?b',
      route: '/a',
      method: 'GET',
      response_time_ms: '1.235',
      request_bytes: '1099511627776',
      user_id: null,
    },
  );
  assert.is(await count(pool, "select count(*) from known_series where kind = 'service'"), 2);
  assert.equal((await lastDelta(pool)).events, { user_login: 1 });
});

test('a batch that holds what is there already fails by COPY and goes in by staging, counted once', async () => {
  const first = await written(await begin(), [login(1), login(2)]);
  const resent = [
    row(LOGIN, { id: 'e-1', occurred_at: iso(NOW_MS), user_id: 1 }, { sequence: 3 }),
    login(4),
    row(LOGIN, { id: 'e-4', occurred_at: iso(NOW_MS), user_id: 4 }, { sequence: 5 }),
  ];
  try {
    await write(first.checkpoint, resent);
    assert.unreachable();
  } catch (error) {
    assert.is(classifyFailure(error), 'duplicate');
  }
  const second = await written(first.checkpoint, resent, 'staging');
  assert.equal([second.inserted, second.duplicates, second.checkpoint.sequence], [1, 2, 5]);
  const { pool } = store();
  assert.equal((await lastDelta(pool)).events, { user_login: 1 });
  const { rows } = await pool.query<{ stream_seq: string }>('select stream_seq from user_events order by 1');
  assert.equal(
    rows.map(({ stream_seq }) => stream_seq),
    ['1', '2', '4'],
    'the first one stays',
  );
});

test('the same id is one event in each table', async () => {
  const rows = [login(1, { id: 'same' }), row(CPU, { id: 'same', metric_name: 'm', value: 1 }, { sequence: 2 })];
  assert.is((await written(await begin(), rows, 'staging')).inserted, 2);
});

test('a resend without a time of its own is known the day after, and within its own batch', async () => {
  const midnightMs = dayOf(NOW_MS) * 24 * HOUR_MS;
  const timeless = (sequence: number, storedAtMs: number, id = 'resent'): Row =>
    row(LOGIN, { user_id: 1 }, { sequence, storedAtMs, headers: { 'Nats-Msg-Id': id } });
  const first = await written(await begin(), [timeless(1, midnightMs - 1_000)]);
  const outcome = await written(first.checkpoint, [
    timeless(2, midnightMs + 1_000),
    timeless(3, midnightMs - 500, 'twice'),
    timeless(4, midnightMs + 500, 'twice'),
  ]);
  assert.equal([outcome.inserted, outcome.duplicates], [1, 2]);
  assert.is(await count(store().pool, 'select count(*) from user_events'), 2);
});

test('which resends are left out does not depend on how the log is cut to batches', async () => {
  const noonMs = dayOf(NOW_MS) * 24 * HOUR_MS + 12 * HOUR_MS;
  const at = (sequence: number, days: number, id: string, timeless = true): Row =>
    row(
      LOGIN,
      { user_id: 1, ...(timeless ? {} : { occurred_at: new Date(noonMs + days * 24 * HOUR_MS).toISOString() }) },
      { sequence, storedAtMs: noonMs + days * 24 * HOUR_MS, headers: { 'Nats-Msg-Id': id } },
    );
  const rows = [
    at(1, -3, 'timed', false),
    at(2, -3, 'far'),
    at(3, -2, 'timed'),
    at(4, -1, 'far'),
    at(5, 0, 'far'),
    at(6, 0, 'timed'),
    at(7, 0, 'timed', false),
  ];
  const sequences = async (): Promise<string[]> => {
    const { rows: found } = await store().pool.query<{ stream_seq: string }>(
      'select stream_seq from user_events order by stream_seq',
    );
    return found.map(({ stream_seq }) => stream_seq);
  };
  await written(await begin(), rows, 'staging');
  const inOne = await sequences();
  await store().pool.query('truncate user_events, summary_outbox');
  await store().pool.query('delete from projection_checkpoints');
  let checkpoint = await begin();
  for (const each of rows) ({ checkpoint } = await written(checkpoint, [each], 'staging'));
  assert.equal(await sequences(), inOne);
  assert.equal(inOne, ['1', '2', '4', '6']);
});

test('a batch under an older epoch, or from another position, writes nothing', async () => {
  const old = await begin();
  const current = await begin();
  assert.is((await write(old, [login(1)])).kind, 'fenced');
  assert.is((await write({ ...current, sequence: 5 }, [login(6)])).kind, 'fenced');
  assert.is(await count(store().pool, 'select count(*) from user_events'), 0);
  assert.is(await count(store().pool, 'select count(*) from summary_outbox'), 0);
});

test('a batch without rows moves the checkpoint', async () => {
  const from = await begin();
  const registry = new SeriesRegistry([]);
  const delta = foldDelta([], registry, NO_BUSINESS);
  const batch = { rows: [], toSequence: 9, lastEventId: '', lastStoredAtMs: 0, delta, freshSeries: [] };
  const outcome = await writeBatch(store().pool, 'tables', from, batch, 'copy', () => delta);
  assert.ok(outcome.kind === 'applied' && outcome.checkpoint.sequence === 9);
});

test('the rows that Postgres refuses are found, and only they', async () => {
  await store().partitions.ensure([dayOf(NOW_MS)]);
  await store().pool.query("alter table user_events add constraint no_poison check (event_type <> 'poison')");
  const rows = Array.from({ length: 100 }, (_, index) =>
    [13, 14, 77].includes(index)
      ? row('metrics.events.user.poison', { occurred_at: iso(NOW_MS) }, { sequence: index + 1 })
      : login(index + 1),
  );
  const refused = await findRefusedRows(store().pool, rows, (error) => classifyFailure(error) === 'refused_row');
  assert.equal(
    refused.map((found) => found.row.sequence),
    [14, 15, 78],
  );
  assert.match(String(refused[0]?.error), 'no_poison');
  assert.is(await count(store().pool, 'select count(*) from user_events'), 0, 'a trial writes nothing');
});

test('any text survives COPY as it is', async () => {
  await store().partitions.ensure([dayOf(NOW_MS)]);
  let from = await begin();
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.string({ unit: fc.constantFrom('\\', '.', 'N', '\t', '\n', '\r', '\b', '\v', 'n', '"'), maxLength: 12 }),
  );
  const storable = text.filter((value) => value.isWellFormed() && !value.includes('\0'));
  const endpoint = storable.filter((value) => value !== '' && [...value].length <= 255);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ endpoint, value: storable }), { minLength: 1, maxLength: 30 }),
      async (given) => {
        const rows = given.flatMap(({ endpoint: path, value }, index) => [
          row(
            REQUEST,
            { endpoint: path, method: 'GET', status_code: 200 },
            { sequence: from.sequence + 2 * index + 1 },
          ),
          row(LOGIN, { metadata: { value } }, { sequence: from.sequence + 2 * index + 2 }),
        ]);
        const first = from.sequence;
        from = (await written(from, rows)).checkpoint;
        const { rows: api } = await store().pool.query<{ endpoint: string }>(
          'select endpoint from api_metrics where stream_seq > $1 order by stream_seq',
          [first],
        );
        assert.equal(
          api.map((found) => found.endpoint),
          given.map((each) => each.endpoint),
        );
        const { rows: users } = await store().pool.query<{ value: string }>(
          `select metadata ->> 'value' as value from user_events where stream_seq > $1 order by stream_seq`,
          [first],
        );
        assert.equal(
          users.map((found) => found.value),
          given.map((each) => each.value),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test('any id and any value survive COPY as they are', async () => {
  let from = await begin();
  const printable = Array.from({ length: 94 }, (_, index) => String.fromCharCode(0x21 + index));
  const id = fc.string({ unit: fc.constantFrom(...printable, '\\', '.', 'N'), minLength: 1, maxLength: 128 });
  const value = fc.double({ min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, noNaN: true });
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(id, { minLength: 1, maxLength: 20 }), value, async (given, number) => {
      const rows = ['\\.', ...given.filter((each) => each !== '\\.')].map((each, index) =>
        row(
          CPU,
          { metric_name: 'm', value: number },
          {
            sequence: from.sequence + index + 1,
            headers: { 'Nats-Msg-Id': `${each}`.slice(0, 128) },
          },
        ),
      );
      const first = from.sequence;
      from = (await written(from, rows, 'staging')).checkpoint;
      const { rows: found } = await store().pool.query<{ event_id: string; value: string }>(
        'select event_id, value from system_metrics where stream_seq > $1 order by stream_seq',
        [first],
      );
      // Ids of earlier runs are resends here, so only those that came in are compared.
      const ids = new Set(rows.map(({ eventId }) => eventId));
      assert.ok(
        found.every(({ event_id, value: text }) => ids.has(event_id) && Number(text) === (number === 0 ? 0 : number)),
      );
    }),
    { numRuns: 60 },
  );
  assert.is(await count(store().pool, "select count(*) from system_metrics where event_id = '\\.'"), 1);
});

const EXTREMES = [-0, 5e-324, 1e-7, 1.7976931348623157e-300, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, 0.1];
test('extreme values are stored as they are', async () => {
  const rows = EXTREMES.map((value, index) => row(CPU, { metric_name: 'm', value }, { sequence: index + 1 }));
  await written(await begin(), rows);
  const { rows: found } = await store().pool.query<{ value: string }>(
    'select value from system_metrics order by stream_seq',
  );
  assert.equal(
    found.map(({ value }) => Number(value)),
    EXTREMES.map((value) => (value === 0 ? 0 : value)),
  );
});

test('a route may not be longer than its column', async () => {
  const endpoint = '/1'.repeat(127);
  await written(await begin(), [row(REQUEST, { endpoint, method: 'GET', status_code: 200 }, { sequence: 1 })]);
  const { rows } = await store().pool.query<{ route: string }>('select route from api_metrics');
  assert.is(rows[0]?.route.length, 255);
});

test.run();
