import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import type { Projector, ProjectorDependencies } from '../../src/projections/projector.js';
import { rebuildTables } from '../../src/projections/rebuild/rebuild-tables.js';
import { EVENT_TABLES } from '../../src/store/partitions.js';
import { openStore, type TestStore } from '../support/database.js';
import { allLetters, forgetIds, lettersByReason } from '../support/letters.js';
import { openLog, type TestLog } from '../support/log.js';
import { codec } from '../support/messages.js';
import { newProjector, untilProjected } from '../support/projection.js';
import { startTestNats, waitFor } from '../support/servers.js';
import { LATER_UPCASTS } from '../support/upcasts.js';

const context: { nats?: ManagedServer; log?: TestLog; store?: TestStore } = {};
const test = suite('A log of mixed versions');
const LOGIN = 'metrics.events.user.user_login';
const ONE_SHAPE = ['a-1', 'b-2', 'c-3', 'd-1'].map((id) => [id, 7, { n: 1 }]);
const LATER = { codec: { ...codec(), upcasts: LATER_UPCASTS } };

function opened(): { log: TestLog; store: TestStore } {
  if (context.log === undefined || context.store === undefined) throw new Error('not opened');
  return { log: context.log, store: context.store };
}

test.before(async () => {
  context.nats = await startTestNats();
  context.log = await openLog(context.nats.url);
  context.store = await openStore();
});
test.after(async () => {
  await context.log?.close();
  await context.store?.close();
  await context.nats?.stop();
});

async function publish(id: string, body: object): Promise<void> {
  const occurred_at = new Date().toISOString();
  await opened().log.appender.append(LOGIN, Buffer.from(JSON.stringify({ occurred_at, ...body })), id);
}

/** Projects the whole log. @returns how the projector ended */
async function project(changes: Partial<ProjectorDependencies> = {}): Promise<Projector['state']> {
  const { log, store } = opened();
  const projector = newProjector(log, store, changes);
  projector.start();
  const state = await waitFor('a beginning, or a halt', () =>
    ['running', 'halted'].includes(projector.state.kind) ? projector.state : undefined,
  );
  if (state.kind === 'running') await untilProjected(log, store);
  await projector.stop();
  return state;
}

async function rows(): Promise<unknown[]> {
  const { rows: found } = await opened().store.pool.query(
    'select event_id, user_id, metadata from user_events order by event_id',
  );
  return found.map(({ event_id: id, user_id: user, metadata }) => [id, user, metadata]);
}

test('what this version does not know is parked, and a later one goes on behind it', async () => {
  await publish('a-1', { user_id: 7, metadata: { n: 1 } });
  await publish('b-2', { schema_version: 2, user_id: 7, props: { n: 1 } });
  await publish('c-3', { schema_version: 3, user_id: 7, metadata: { n: 1 } });
  await project();
  assert.equal(await rows(), [['a-1', 7, { n: 1 }]]);
  const { state } = await opened().log.manager.streams.info('METRICS_DEADLETTERS', { subjects_filter: '>' });
  assert.equal(state.subjects, { 'metrics.deadletter.unsupported_version': 2 });
  // The event at the checkpoint had no id for the version before, and has one for this: it is the same log all the same.
  await publish('d-1', { uid: '7', props: { n: 1 } });
  assert.is((await project(LATER)).kind, 'running');
  assert.equal(await rows(), [
    ['a-1', 7, { n: 1 }],
    ['d-1', 7, { n: 1 }],
  ]);
  // And back: the event at the checkpoint, of version 3, is again one that has no id.
  await publish('e-3', { schema_version: 3, user_id: 7 });
  await project(LATER);
  assert.is((await project()).kind, 'running');
});

test('folded from its beginning, it gives one shape', async () => {
  await opened().store.pool.query(
    'truncate system_metrics, user_events, api_metrics, projection_checkpoints, summary_outbox, known_series',
  );
  await project(LATER);
  assert.equal(await rows(), [...ONE_SHAPE, ['e-3', 7, null]]);
  const { state } = await opened().log.manager.streams.info('METRICS_DEADLETTERS');
  assert.is(state.messages, 2, 'nothing was parked again');
});

test('folded once more after days, it parks what is new, and nothing twice', async () => {
  const { log } = opened();
  await forgetIds(log, 'METRICS_DEADLETTERS', 'metrics.deadletter.probe');
  await opened().store.pool.query(
    'truncate system_metrics, user_events, api_metrics, projection_checkpoints, summary_outbox, known_series',
  );
  const { now } = Date;
  Date.now = () => now() + 2 * 86_400_000;
  try {
    await project();
  } finally {
    Date.now = now;
  }
  const letters = (await allLetters(log)).filter(({ kind }) => kind === 'event');
  assert.equal(
    letters.map(({ reason, logSequence }) => [reason, logSequence]),
    [2, 3, 5].map((sequence) => ['unsupported_version', sequence]),
  );
});

test('rebuilt by a later version, it has one shape, and no letter more', async () => {
  const { log, store } = opened();
  const letters = await lettersByReason(log);
  const outcome = await rebuildTables(
    {
      ...log,
      ...LATER,
      pool: store.pool,
      databaseUrl: store.url,
      holder: 'test',
      niceRatio: 0,
      signal: new AbortController().signal,
      onProgress: () => undefined,
    },
    { kind: 'begin', tables: EVENT_TABLES, wishes: { keep: false, dryRun: false, summaries: false }, force: false },
  );
  assert.is(outcome.kind, 'swapped');
  assert.equal(await rows(), [...ONE_SHAPE, ['e-3', 7, null]]);
  assert.equal(await lettersByReason(log), letters);
});

test.run();
