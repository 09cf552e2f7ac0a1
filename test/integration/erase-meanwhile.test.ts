import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import { eraseRows } from '../../src/projections/erase/erase-rows.js';
import { type Erased, eraseUser } from '../../src/projections/erase/erase-user.js';
import { foldSessions } from '../../src/projections/fold-sessions.js';
import { beginEpoch } from '../../src/store/checkpoints.js';
import { Lease } from '../../src/store/lease.js';
import { inTransaction } from '../../src/store/postgres.js';
import { count, openStore, type TestStore } from '../support/database.js';
import { DirectProjection } from '../support/direct-projection.js';
import { openLog, type TestLog } from '../support/log.js';
import { codec } from '../support/messages.js';
import { begin, dumpTables, openProjected, rebuild, WISHES } from '../support/rebuild-stage.js';
import { same } from '../support/same.js';
import { startTestNats, waitFor } from '../support/servers.js';

const USER = 4_711;
const OTHER = 47;
const OF_OTHERS = 3_000;
const NOW = new Date(Date.now() - 60_000).toISOString();

const context: { nats?: ManagedServer; log?: TestLog; stores: TestStore[] } = { stores: [] };
const test = suite('erasing a person while others are at work');

function log(): TestLog {
  if (context.log === undefined) throw new Error('not opened');
  return context.log;
}

test.before(async () => {
  context.nats = await startTestNats();
  context.log = await openLog(context.nats.url);
});
test.after.each(async () => {
  for (const store of context.stores.splice(0)) await store.close();
});
test.after(async () => {
  await context.log?.close();
  await context.nats?.stop();
});

async function newStore(open: () => Promise<TestStore> = openStore): Promise<TestStore> {
  const store = await open();
  context.stores.push(store);
  return store;
}

const login = (user: number): { subject: string; body: Record<string, unknown> } => ({
  subject: 'metrics.events.user.user_login',
  body: { user_id: user, occurred_at: NOW, metadata: { session_id: `s-${user}` } },
});

async function append(users: readonly number[]): Promise<number> {
  const requests = users.map((user) => {
    const { subject, body } = login(user);
    return { subject, payload: Buffer.from(JSON.stringify(body)) };
  });
  assert.is((await log().appender.appendAll(requests)).kind, 'stored');
  return (await log().manager.streams.info('METRICS')).state.last_seq;
}

const rowsOf = (store: TestStore, user = USER): Promise<number> =>
  count(store.pool, 'select count(*) from user_events where user_id = $1', [user]);

function erase(store: TestStore, onRead: () => void = () => undefined): Promise<Erased> {
  const { signal } = new AbortController();
  const onProgress = (step: string): void => {
    if (step === 'messages read') onRead();
  };
  const { connection, watch, manager } = log();
  const parts = { connection, watch, manager, pool: store.pool, codec: codec(), signal, now: Date.now, onProgress };
  return eraseUser(parts, USER);
}

test('what a projector commits while its row is waited for is erased, too', async () => {
  const store = await newStore();
  const projection = await DirectProjection.open(store);
  await projection.write([login(USER)]);
  const lease = await Lease.tryAcquire(store.url, 'projector');
  const erasing: ReturnType<typeof eraseRows>[] = [];
  await inTransaction(store.pool, async (projector) => {
    await projector.query(`update projection_checkpoints set sequence = 2 where name = 'tables'`);
    erasing.push(eraseRows(store.pool, USER, 2, Date.now()));
    await waitFor('the checkpoint to be waited for', async () =>
      (await count(
        store.pool,
        `select count(*) from pg_stat_activity
         where wait_event_type = 'Lock' and datname = current_database()`,
      )) > 0
        ? true
        : undefined,
    );
    await projector.query(
      `insert into user_events (user_id, event_type, created_at, event_id, stream_seq)
       values ($1, 'user_login', $2, 'in-hand', 2)`,
      [USER, NOW],
    );
  });
  assert.equal(await erasing[0], { kind: 'erased', rows: { user_events: 2, api_metrics: 0 } });
  assert.is(await rowsOf(store), 0);
  await lease?.release();
});

test('while a projector is behind, nothing is erased; one that was stopped, and wakes, writes nothing', async () => {
  const store = await newStore();
  const stopped = await DirectProjection.open(store);
  await stopped.write([login(USER)]);
  const lease = await Lease.tryAcquire(store.url, 'projector');
  assert.equal(await eraseRows(store.pool, USER, 2, Date.now()), { kind: 'behind', sequence: 1 });
  assert.is(await rowsOf(store), 1);
  // Postgres has ended its silent session; nobody has taken over.
  await lease?.release();
  assert.is((await eraseRows(store.pool, USER, 2, Date.now())).kind, 'erased');
  await stopped.write([login(USER)]).then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'fenced'),
  );
  assert.is(await rowsOf(store), 0);
});

test('sessions of the person go with the rows, whether or not anybody folds them again', async () => {
  const store = await newStore();
  const projection = await DirectProjection.open(store);
  const nameless = { ...login(USER), body: { user_id: USER, occurred_at: NOW } };
  await projection.write([login(USER), login(OTHER), nameless]);
  const { epoch } = await beginEpoch(store.pool, 'sessions', 'test', 'then');
  await waitFor('the sessions', async () =>
    (await foldSessions(store.pool, epoch)).kind === 'idle' ? true : undefined,
  );
  const keys = async (): Promise<string[]> => {
    const { rows } = await store.pool.query<{ key: string }>('select session_key as key from sessions order by 1');
    return rows.map(({ key }) => key);
  };
  assert.equal(await keys(), [`id:s-${OTHER}`, `id:s-${USER}`, `user:${USER}`]);
  await eraseRows(store.pool, USER, 3, Date.now());
  assert.equal(await keys(), [`id:s-${OTHER}`]);
});

test('rows of a log that is gone or shorter than the tables are erased', async () => {
  const store = await newStore();
  const projection = await DirectProjection.open(store);
  const { state } = await log().manager.streams.info('METRICS');
  const more = Array.from({ length: state.last_seq + 5 }, () => login(OTHER));
  await projection.write([...more, login(USER)]);
  assert.is((await erase(store)).rows.user_events, 1);
  assert.is(await rowsOf(store), 0);
});

test('what comes of the person while the log is read stays, in the log as in the tables', async () => {
  await append([USER, ...Array.from({ length: OF_OTHERS }, () => OTHER), USER]);
  const store = await newStore(() => openProjected(log()));
  const before = await rowsOf(store);
  const { state } = await log().manager.streams.info('METRICS');
  const coming: Promise<number>[] = [];
  const erased = await erase(store, () => {
    if (coming.length === 0) coming.push(append([USER, USER]));
  });
  await Promise.all(coming);
  assert.is(erased.rows.user_events, before);
  assert.is(erased.events, before);
  const last = await log().manager.streams.info('METRICS');
  assert.is(last.state.messages - state.messages, 2 - erased.events);
  // They are erased by the next.
  assert.is((await erase(store)).events, 2);
});

test('neither a rollback to kept tables nor a rebuild that was interrupted brings anything back', async () => {
  await append([USER, OTHER, USER]);
  const store = await newStore(() => openProjected(log()));
  assert.is((await rebuild(log(), store, begin({ keep: true }))).kind, 'swapped');
  const kept = await erase(store);
  assert.equal([kept.events, kept.rows.user_events, kept.otherRows], [2, 2, 2]);
  const without = await dumpTables(store);
  const back = await rebuild(log(), store, { kind: 'rollback', wishes: WISHES, force: false });
  assert.is(back.kind, 'swapped', JSON.stringify(back));
  same(await dumpTables(store), without);

  await append([USER, OTHER, USER]);
  const second = await newStore(() => openProjected(log()));
  const stop = new AbortController();
  const onProgress = ({ phase }: { phase: string }): void => {
    if (phase === 'compare') stop.abort(new Error('interrupted'));
  };
  const interrupted = rebuild(log(), second, begin(), { signal: stop.signal, onProgress });
  await interrupted.then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'interrupted'),
  );
  assert.is((await erase(second)).otherRows, 2);
  const resumed = await rebuild(log(), second, { kind: 'resume', force: false });
  assert.is(resumed.kind, 'swapped', JSON.stringify(resumed));
  assert.is(await rowsOf(second), 0);
});

test.run();
