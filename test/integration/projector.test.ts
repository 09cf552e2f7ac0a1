import { headers } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import type { Projector, ProjectorDependencies } from '../../src/projections/projector.js';
import { readCheckpoint } from '../../src/store/checkpoints.js';
import { ensureStreams } from '../../src/stream/streams.js';
import { count, openStore, type TestStore } from '../support/database.js';
import { appendUsers, ids, openLog, STREAM_SETTINGS, type TestLog } from '../support/log.js';
import { newProjector, projectedTo, untilProjected } from '../support/projection.js';
import { startTestNats, waitFor } from '../support/servers.js';

const context: { nats?: ManagedServer; log?: TestLog; store?: TestStore; projectors: Projector[] } = { projectors: [] };
const test = suite('projector');

function log(): TestLog {
  if (context.log === undefined) throw new Error('not opened');
  return context.log;
}
function store(): TestStore {
  if (context.store === undefined) throw new Error('not opened');
  return context.store;
}
function start(changes: Partial<ProjectorDependencies> = {}): Projector {
  const projector = newProjector(log(), store(), changes);
  context.projectors.push(projector);
  projector.start();
  return projector;
}
const rowsIn = (table: string): Promise<number> => count(store().pool, `select count(*) from ${table}`);
const publish = (subject: string, body: unknown, id: string) =>
  log().appender.append(subject, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), id);

test.before.each(async () => {
  context.nats = await startTestNats();
  context.log = await openLog(context.nats.url, { streams: { dedupWindowSeconds: 1 } });
  context.store = await openStore();
  context.projectors = [];
});
test.after.each(async () => {
  await Promise.all(context.projectors.map((projector) => projector.stop()));
  await context.log?.close();
  await context.store?.close();
  await context.nats?.stop();
});

const LOGIN = 'metrics.events.user.user_login';

test('events of all three kinds become rows, those that came before it and those that come later', async () => {
  await publish(LOGIN, { user_id: 1 }, 'u');
  await publish('metrics.events.system.billing', { metric_name: 'cpu_usage', value: 3 }, 's');
  const projector = start();
  await untilProjected(log(), store());
  await publish('metrics.events.api.web', { endpoint: '/', method: 'GET', status_code: 200 }, 'a');
  await untilProjected(log(), store());
  assert.equal([await rowsIn('user_events'), await rowsIn('system_metrics'), await rowsIn('api_metrics')], [1, 1, 1]);
  assert.is(projector.state.kind, 'running');
  assert.is(await count(store().pool, 'select sum(to_sequence - from_sequence) as count from summary_outbox'), 3);
  await waitFor('the acknowledgement', async () => {
    const { ack_floor } = await log().manager.consumers.info('METRICS', 'projector');
    return ack_floor.stream_seq === 3 ? true : undefined;
  });
});

test('many events arrive once each, over several batches', async () => {
  await appendUsers(log(), ids(20_000));
  start();
  await untilProjected(log(), store());
  assert.is(await rowsIn('user_events'), 20_000);
  assert.is(await count(store().pool, 'select count(distinct stream_seq) from user_events'), 20_000);
});

test('what cannot be decoded is parked with its reason, and its neighbours are stored', async () => {
  for (let index = 0; index < 30; index += 1) {
    await publish(LOGIN, index % 10 === 3 ? '{"broken' : { user_id: index }, `e-${index}`);
  }
  await publish('metrics.events.user.a.b', {}, 'strange');
  start();
  await untilProjected(log(), store());
  assert.is(await rowsIn('user_events'), 27);
  const { state } = await log().manager.streams.info('METRICS_DEADLETTERS', { subjects_filter: '>' });
  assert.equal(state.subjects, { 'metrics.deadletter.invalid_json': 3, 'metrics.deadletter.unknown_subject': 1 });
});

test('a dead letter keeps the headers of its message, and none that tells JetStream what to do', async () => {
  const original = headers();
  original.set('X-Trace', 'abc');
  original.set('Nats-Expected-Last-Sequence', '0');
  original.set('Metrics-Reason', 'forged');
  await log().appender.append(LOGIN, Buffer.from('x'), 'with-headers', original);
  start();
  await untilProjected(log(), store());
  const letter = await log().manager.streams.getMessage('METRICS_DEADLETTERS', { seq: 1 });
  assert.equal(
    ['X-Trace', 'Nats-Expected-Last-Sequence', 'Metrics-Reason'].map((name) => letter.header.get(name)),
    ['abc', '', 'invalid_json'],
  );
});

test('where dead letters cannot be parked the projector waits and says so, and loses none', async () => {
  await log().manager.streams.delete('METRICS_DEADLETTERS');
  await publish(LOGIN, 'x', 'bad');
  await publish(LOGIN, {}, 'good');
  const projector = start();
  await waitFor('the projector to wait', () => (projector.state.kind === 'retrying' ? true : undefined));
  assert.is(await projectedTo(store()), 0);
  await ensureStreams(log().manager, STREAM_SETTINGS);
  await untilProjected(log(), store());
  assert.is((await log().manager.streams.info('METRICS_DEADLETTERS')).state.messages, 1);
});

test('a batch of nothing but dead letters moves the checkpoint', async () => {
  await publish(LOGIN, 'x', 'a');
  start();
  await untilProjected(log(), store());
  assert.is(await rowsIn('user_events'), 0);
});

test('a row that Postgres refuses is parked alone, and counts in no summary', async () => {
  await store().pool.query("alter table user_events add constraint no_poison check (event_type <> 'poison')");
  for (let index = 0; index < 50; index += 1) {
    const subject = index === 20 || index === 49 ? 'metrics.events.user.poison' : LOGIN;
    await publish(subject, { user_id: index }, `e-${index}`);
  }
  start();
  await untilProjected(log(), store());
  assert.is(await rowsIn('user_events'), 48);
  const letter = await log().manager.streams.getMessage('METRICS_DEADLETTERS', { seq: 1 });
  assert.is(letter.subject, 'metrics.deadletter.refused_by_database');
  assert.match(letter.header.get('Metrics-Detail'), 'no_poison');
  assert.is(letter.header.get('Metrics-Stream-Sequence'), '21');
  assert.is((await log().manager.streams.info('METRICS_DEADLETTERS')).state.messages, 2);
  const { rows } = await store().pool.query<{ type: string; n: string }>(
    `select key as type, sum(value::int) as n from summary_outbox, json_each_text(delta -> 'events') group by 1`,
  );
  assert.equal(
    rows.map(({ type, n }) => [type, Number(n)]),
    [['user_login', 48]],
  );
});

test('a failure that no row by itself causes is retried without spinning, and heals', async () => {
  await appendUsers(log(), ids(10));
  await store().pool.query('alter table summary_outbox add constraint never check (to_sequence < 0)');
  const projector = start();
  await waitFor('the projector to wait', () => (projector.state.kind === 'retrying' ? true : undefined));
  assert.is(await rowsIn('user_events'), 0);
  await store().pool.query('alter table summary_outbox drop constraint never');
  await untilProjected(log(), store());
  assert.is(await rowsIn('user_events'), 10);
  assert.is((await log().manager.streams.info('METRICS_DEADLETTERS')).state.messages, 0);
});

test('a resend beyond the deduplication window adds nothing, in the tables and in the summaries', async () => {
  start();
  const body = { user_id: 1, occurred_at: new Date().toISOString() };
  await publish(LOGIN, body, 'again');
  await waitFor('the window to pass', async () => {
    const result = await publish(LOGIN, body, 'again');
    return result.kind === 'stored' && !result.duplicate ? true : undefined;
  });
  await publish(LOGIN, body, 'neighbour');
  await untilProjected(log(), store());
  assert.is(await rowsIn('user_events'), 2);
  const logins = `select sum((delta -> 'events' ->> 'user_login')::int) as count from summary_outbox`;
  assert.is(await count(store().pool, logins), 2);
});

test('an event for a day without a partition makes it, also where somebody dropped it meanwhile', async () => {
  start();
  const late = (id: string) =>
    publish(LOGIN, { occurred_at: new Date(Date.now() - 50 * 86_400_000).toISOString() }, id);
  await late('a');
  await untilProjected(log(), store());
  await store().pool.query(`do $$ declare name text; begin
    for name in select inhrelid::regclass::text from pg_inherits where inhparent = 'user_events'::regclass
    loop execute 'drop table ' || name; end loop; end $$`);
  await late('b');
  await untilProjected(log(), store());
  assert.is(await rowsIn('user_events'), 1);
});

test('a consumer that is deleted while running is made again, and nothing is lost or doubled', async () => {
  start();
  await appendUsers(log(), ids(100));
  await untilProjected(log(), store());
  await log().manager.consumers.delete('METRICS', 'projector');
  await appendUsers(log(), ids(100, 'more'));
  await untilProjected(log(), store());
  assert.is(await rowsIn('user_events'), 200);
});

test('when the NATS server is killed, projecting goes on after its return', async () => {
  start();
  await appendUsers(log(), ids(100));
  await untilProjected(log(), store());
  await context.nats?.kill();
  await context.nats?.start();
  const startedMs = performance.now();
  await waitFor(
    'an append',
    async () => {
      const result = await publish(LOGIN, { user_id: 5 }, 'after');
      return result.kind === 'stored' ? true : undefined;
    },
    15_000,
  );
  await untilProjected(log(), store());
  assert.ok(performance.now() - startedMs < 15_000);
  assert.is(await rowsIn('user_events'), 101);
});

test('a stream that was made anew halts the projector, and nothing is skipped', async () => {
  await appendUsers(log(), ids(10));
  const projector = start();
  await untilProjected(log(), store());
  await log().manager.streams.delete('METRICS');
  await ensureStreams(log().manager, STREAM_SETTINGS);
  await appendUsers(log(), ids(30, 'other'));
  const state = await waitFor('the halt', () => (projector.state.kind === 'halted' ? projector.state : undefined));
  assert.match(state.reason, /another event at 10|ends at \d, before/);
  assert.equal([await rowsIn('user_events'), await projectedTo(store())], [10, 10]);
  assert.is((await readCheckpoint(store().pool, 'tables'))?.haltReason, state.reason);
  const second = start();
  await waitFor('the second to halt too', () => (second.state.kind === 'halted' ? true : undefined));
});

test('a stream that was updated is the same one, although nats-server 2.9 then changes its time of creation', async () => {
  await appendUsers(log(), ids(10));
  const createdAt = async () => String((await log().manager.streams.info('METRICS')).created);
  const first = await createdAt();
  const projector = start();
  await untilProjected(log(), store());
  await projector.stop();
  await restartNats();
  await ensureStreams(log().manager, { ...STREAM_SETTINGS, foreignSubjects: ['appointments.created'] });
  await restartNats();
  const isChanged = (await createdAt()) !== first;
  await appendUsers(log(), ids(10, 'more'));
  const last = start();
  await untilProjected(log(), store());
  assert.is(last.state.kind, 'running');
  assert.is(await rowsIn('user_events'), 20);
  assert.is((await readCheckpoint(store().pool, 'tables'))?.streamCreatedAt, await createdAt());
  if (!isChanged) console.log('this NATS server keeps the time of creation');
});

async function restartNats(): Promise<void> {
  await context.nats?.kill('SIGTERM');
  await waitFor('the disconnection', () => (log().watch.connected ? undefined : true));
  await context.nats?.start();
  await waitFor('the connection', () => (log().watch.connected ? true : undefined));
}

test('the time of creation decides where the event at the checkpoint has left the log', async () => {
  await appendUsers(log(), ids(10));
  const first = start();
  await untilProjected(log(), store());
  await first.stop();
  const { config } = await log().manager.streams.info('METRICS');
  await log().manager.streams.update('METRICS', { ...config, max_msgs: 5, discard: 'old' as typeof config.discard });
  await appendUsers(log(), ids(10, 'more'));
  await store().pool.query("update projection_checkpoints set stream_created_at = 'long ago'");
  const second = start();
  const state = await waitFor('the halt', () => (second.state.kind === 'halted' ? second.state : undefined));
  assert.match(state.reason, 'was created at');
});

const OTHER_LOGS: readonly [what: string, change: string, reason: RegExp][] = [
  ['is shorter than the checkpoint', 'sequence = 1000', /ends at 10, before the checkpoint at 1000/],
  ['has another event at the checkpoint', "last_event_id = 'other'", /another event at 10/],
];
for (const [what, change, reason] of OTHER_LOGS) {
  test(`a stream that ${what} halts the projector`, async () => {
    await appendUsers(log(), ids(10));
    const first = start();
    await untilProjected(log(), store());
    await first.stop();
    await store().pool.query(`update projection_checkpoints set ${change}`);
    const second = start();
    const state = await waitFor('the halt', () => (second.state.kind === 'halted' ? second.state : undefined));
    assert.match(state.reason, reason);
  });
}

test('where the event at the checkpoint left the log, projecting goes on behind it', async () => {
  await appendUsers(log(), ids(10));
  const first = start();
  await untilProjected(log(), store());
  await first.stop();
  await appendUsers(log(), ids(10, 'more'));
  const { config } = await log().manager.streams.info('METRICS');
  await log().manager.streams.update('METRICS', { ...config, max_msgs: 5, discard: 'old' as typeof config.discard });
  start();
  await untilProjected(log(), store());
  assert.is(await rowsIn('user_events'), 15);
});

test('a second projector stands by and takes over when the first stops', async () => {
  const first = start({ holder: 'first' });
  await appendUsers(log(), ids(50));
  await untilProjected(log(), store());
  const second = start({ holder: 'second' });
  await waitFor('the standby', () => (second.state.kind === 'standby' ? true : undefined));
  await first.stop();
  await appendUsers(log(), ids(50, 'more'));
  await untilProjected(log(), store());
  assert.is(await rowsIn('user_events'), 100);
  assert.is(second.state.kind, 'running');
  const { rows } = await store().pool.query('select holder, epoch from projection_checkpoints');
  assert.equal({ ...rows[0] }, { holder: 'second', epoch: '2' });
});

test('a projector whose lease and epoch were taken writes no row more', async () => {
  start({ holder: 'first' });
  await appendUsers(log(), ids(50));
  await untilProjected(log(), store());
  // Another epoch begins behind its back, as after a pause of the whole process.
  await store().pool.query('update projection_checkpoints set epoch = epoch + 1');
  await appendUsers(log(), ids(50, 'more'));
  await untilProjected(log(), store());
  assert.is(await rowsIn('user_events'), 100);
  const { rows } = await store().pool.query('select epoch from projection_checkpoints');
  assert.equal({ ...rows[0] }, { epoch: '3' });
});

test('sessions of Postgres that are cut again and again cost no event and double none', async () => {
  start();
  const cut = `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`;
  for (let round = 0; round < 15; round += 1) {
    await appendUsers(log(), ids(400, `round-${round}`));
    await store()
      .pool.query(cut)
      .catch(() => undefined);
  }
  await untilProjected(log(), store(), undefined, 30_000);
  assert.is(await rowsIn('user_events'), 6_000);
  const logins = `select sum((delta -> 'events' ->> 'user_login')::int) as count from summary_outbox`;
  assert.is(await count(store().pool, logins), 6_000);
});

test('series are admitted once for good, whatever batch failed', async () => {
  start();
  await appendUsers(log(), ids(5), 'first_type');
  await untilProjected(log(), store());
  const { rows } = await store().pool.query("select key from known_series where kind = 'event_type' order by key");
  assert.equal(
    rows.map((row) => row.key),
    ['first_type'],
  );
});

test('stopping is quick, whatever it waits for, and twice is as once', async () => {
  const idle = start();
  await waitFor('running', () => (idle.state.kind === 'running' ? true : undefined));
  const startedMs = performance.now();
  await Promise.all([idle.stop(), idle.stop()]);
  assert.ok(performance.now() - startedMs < 3_000);
  assert.is(idle.state.kind, 'stopped');
});

test.run();
