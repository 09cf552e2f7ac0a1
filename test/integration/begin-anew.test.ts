import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import type { Projector } from '../../src/projections/projector.js';
import { rollUp } from '../../src/projections/roll-up.js';
import { parseDashboardQuestion } from '../../src/queries/dashboard-question.js';
import { DashboardSource } from '../../src/queries/dashboard-source.js';
import { HOUR_S } from '../../src/store/summary-schema.js';
import { openStore, type TestStore } from '../support/database.js';
import { BUSINESS, foldEvents } from '../support/fold-events.js';
import { openLog, type TestLog } from '../support/log.js';
import { newProjector, untilProjected } from '../support/projection.js';
import { startTestNats } from '../support/servers.js';

const LOGIN = 'metrics.events.user.user_login';
const HOUR_MS = HOUR_S * 1000;

const context: { nats?: ManagedServer; log?: TestLog; store?: TestStore; projector?: Projector } = {};
const test = suite('beginning anew');
test.after(async () => {
  await context.projector?.stop();
  await context.log?.close();
  await context.store?.close();
  await context.nats?.stop();
});

test('emptied tables begin without the rollups of the log that was there before', async () => {
  const nats = await startTestNats();
  context.nats = nats;
  const log = await openLog(nats.url);
  context.log = log;
  const store = await openStore();
  context.store = store;
  const nowMs = Date.now();
  const hourMs = Math.floor(nowMs / HOUR_MS - 5) * HOUR_MS;
  const occurredAtMs = hourMs + 1;
  const logins = Array.from({ length: 7 }, (_, index) => ({
    kind: 'user' as const,
    body: { event_type: 'user_login', user_id: index },
    id: `old-${index}`,
    sequence: index + 1,
    occurredAtMs,
    timeFromLog: false,
  }));
  await foldEvents(store.pool, logins);
  await rollUp(store.pool, { seconds: HOUR_S, starts: [hourMs] }, new AbortController().signal);

  // As docs/architecture.md says.
  await store.pool.query(
    `truncate user_events, system_metrics, api_metrics, projection_checkpoints, summary_outbox, known_series`,
  );
  const body = { user_id: 1, occurred_at: new Date(occurredAtMs).toISOString() };
  await log.appender.append(LOGIN, Buffer.from(JSON.stringify(body)), 'new');
  context.projector = newProjector(log, store);
  context.projector.start();
  await untilProjected(log, store);

  const question = parseDashboardQuestion({ from: '-24h', interval: '1h' }, nowMs, 90);
  if (!question.ok) throw new Error(JSON.stringify(question.problems));
  const { counts } = await new DashboardSource(store.pool, BUSINESS).read(question.value, nowMs);
  assert.equal([counts.logins, counts.loginUsers], [1, 1]);
});

test.run();
