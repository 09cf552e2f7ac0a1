import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import type { Projector } from '../../src/projections/projector.js';
import { migrate } from '../../src/store/migrate.js';
import { Partitions } from '../../src/store/partitions.js';
import { count, openStore, type TestStore, testPool } from '../support/database.js';
import { appendPatiently, appendUsers, ids, openLog, type TestLog } from '../support/log.js';
import { newProjector, untilProjected } from '../support/projection.js';
import { startTestNats, startTestPostgres, waitFor } from '../support/servers.js';

interface Context {
  nats?: ManagedServer;
  log?: TestLog;
  store?: TestStore;
  projectors: Projector[];
}
const context: Context = { projectors: [] };
const test = suite('projector under faults');

function log(): TestLog {
  if (context.log === undefined) throw new Error('not opened');
  return context.log;
}
function store(): TestStore {
  if (context.store === undefined) throw new Error('not opened');
  return context.store;
}
function start(projector: Projector): Projector {
  context.projectors.push(projector);
  projector.start();
  return projector;
}
const INSERTED = `select sum((delta -> 'events' ->> 'user_login')::int) as count from summary_outbox`;
/** Each event once in its table, and once in the deltas. */
async function eachOnce(wanted: number): Promise<void> {
  const { pool } = store();
  assert.is(await count(pool, 'select count(*) from user_events'), wanted);
  assert.is(await count(pool, 'select count(distinct event_id) from user_events'), wanted);
  assert.is(await count(pool, INSERTED), wanted);
}

test.before.each(async () => {
  context.nats = await startTestNats();
  context.log = await openLog(context.nats.url);
  context.store = await openStore();
  context.projectors = [];
});
test.after.each(async () => {
  await Promise.all(context.projectors.map((projector) => projector.stop()));
  await context.log?.close();
  await context.store?.close();
  await context.nats?.stop();
});

test('Postgres killed and away: appends go on, memory is bounded, and the backlog drains by itself', async () => {
  const postgres = await startTestPostgres();
  await store().close();
  await migrate(postgres.url);
  const pool = testPool(postgres.url);
  const partitions = new Partitions(pool);
  const close = async (): Promise<void> => {
    await pool.end();
    await postgres.stop();
  };
  context.store = { url: postgres.url, pool, partitions, close };
  const projector = start(newProjector(log(), store()));
  await appendUsers(log(), ids(2_000));
  await untilProjected(log(), store());
  // Once more than may be held, and once again.
  for (const [round, count] of [17_000, 2_000].entries()) {
    await postgres.kill();
    await appendUsers(log(), ids(count, `round-${round}`));
    await waitFor('the projector to notice', () => (projector.state.kind === 'retrying' ? true : undefined), 15_000);
    const { num_ack_pending: held } = await log().manager.consumers.info('METRICS', 'projector');
    assert.ok(held <= 16_000, `${held} messages are held`);
    await postgres.start();
  }
  await untilProjected(log(), store(), undefined, 30_000);
  await eachOnce(21_000);
  await postgres.kill();
  const startedMs = performance.now();
  await projector.stop();
  assert.ok(performance.now() - startedMs < 8_000, 'stopping is bounded while Postgres is away');
  await postgres.start();
});

test('many poison messages among good ones cost their neighbours nothing', async () => {
  await store().pool.query('alter table user_events add constraint no_poison check (user_id <> 13)');
  const requests = Array.from({ length: 8_000 }, (_, index) => ({
    id: `e-${index}`,
    subject: 'metrics.events.user.user_login',
    payload: Buffer.from(index % 1_000 === 7 ? 'no json' : JSON.stringify({ user_id: index % 1_000 === 500 ? 13 : 1 })),
  }));
  await appendPatiently(log(), requests);
  start(newProjector(log(), store()));
  await untilProjected(log(), store());
  await eachOnce(7_984);
  const { state } = await log().manager.streams.info('METRICS_DEADLETTERS', { subjects_filter: '>' });
  assert.equal(state.subjects, { 'metrics.deadletter.invalid_json': 8, 'metrics.deadletter.refused_by_database': 8 });
});

test('large messages that are no events are parked, and memory stays bounded', async () => {
  const payload = Buffer.alloc(1_000_000, 'x');
  const requests = ids(150).map((id) => ({ id, subject: 'metrics.events.user.user_login', payload }));
  await appendPatiently(log(), requests);
  await appendUsers(log(), ['good']);
  const before = process.memoryUsage().rss;
  start(newProjector(log(), store()));
  await untilProjected(log(), store());
  assert.is((await log().manager.streams.info('METRICS_DEADLETTERS')).state.messages, 150);
  await eachOnce(1);
  const grownMb = Math.round((process.memoryUsage().rss - before) / 1e6);
  assert.ok(grownMb < 500, `memory grew by ${grownMb} MB`);
});

test.run();
