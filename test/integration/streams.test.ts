import { StorageType } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connectServers } from '../../src/app/servers.js';
import { loadConfig } from '../../src/config.js';
import { ConfigError } from '../../src/config-error.js';
import type { ManagedServer } from '../../src/devservices/index.js';
import { Lifecycle } from '../../src/lifecycle.js';
import { connectNats } from '../../src/stream/connection.js';
import { ensureStreams, findStream } from '../../src/stream/streams.js';
import { openLog, STREAM_SETTINGS } from '../support/log.js';
import { testLogger } from '../support/projection.js';
import { startTestNats } from '../support/servers.js';
import { TEST_SECRET } from '../support/service.js';

const context: { nats?: ManagedServer } = {};
const test = suite('streams');

function url(): string {
  if (context.nats === undefined) throw new Error('not started');
  return context.nats.url;
}
test.before.each(async () => {
  context.nats = await startTestNats();
});
test.after.each(async () => {
  await context.nats?.stop();
});

test('the streams are made as the contract has them, and a second start changes nothing', async () => {
  const { manager, close } = await openLog(url(), { streams: { foreignSubjects: ['appointments.created'] } });
  const events = (await findStream(manager, 'METRICS'))?.config;
  assert.equal(events?.subjects, ['metrics.events.>', 'appointments.created']);
  assert.equal(
    [events?.discard, events?.retention, events?.storage, events?.deny_delete, events?.deny_purge],
    ['new', 'limits', 'file', false, true],
  );
  assert.equal([events?.max_age, events?.duplicate_window], [91 * 86_400e9 + 3_600e9, 600e9]);
  assert.equal((await findStream(manager, 'METRICS_ALERTS'))?.config.subjects, ['metrics.alert']);
  assert.is((await findStream(manager, 'METRICS_DEADLETTERS'))?.config.max_age, 30 * 86_400e9);
  assert.is((await findStream(manager, 'METRICS_ALERT_STATE'))?.config.max_msgs_per_subject, 1);
  const actions = (await findStream(manager, 'METRICS_ALERT_ACTIONS'))?.config;
  assert.equal([actions?.subjects, actions?.max_age], [['metrics.alert_action'], 365 * 86_400e9]);
  assert.is(await findStream(manager, 'NO_SUCH_STREAM'), undefined);
  const settings = { ...STREAM_SETTINGS, foreignSubjects: ['appointments.created'] };
  assert.equal(await ensureStreams(manager, settings), []);
  await close();
});

test('streams that differ are updated', async () => {
  const { manager, close } = await openLog(url());
  const changed = { ...STREAM_SETTINGS, retentionDays: 30, dedupWindowSeconds: 60, foreignSubjects: ['devices.>'] };
  assert.equal(await ensureStreams(manager, changed), []);
  const config = (await findStream(manager, 'METRICS'))?.config;
  assert.equal(config?.subjects, ['metrics.events.>', 'devices.>']);
  assert.equal([config?.max_age, config?.duplicate_window], [31 * 86_400e9 + 3_600e9, 60e9]);
  await close();
});

test('what the server refuses to change is told, and all else is changed', async () => {
  const connection = await connectNats({ servers: [url()] }, 'test');
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ name: 'METRICS', subjects: ['metrics.events.>'], storage: StorageType.Memory });
  const differences = await ensureStreams(manager, { ...STREAM_SETTINGS, foreignSubjects: ['devices.>'] });
  assert.equal(differences, [{ stream: 'METRICS', field: 'storage', wanted: '"file"', found: '"memory"' }]);
  const config = (await findStream(manager, 'METRICS'))?.config;
  assert.equal([config?.subjects, config?.discard], [['metrics.events.>', 'devices.>'], 'new']);
  await connection.close();
});

test('replicas asked of a single server are a fault of the configuration', async () => {
  const config = loadConfig({ NATS_URL: url(), METRICS_STREAM_REPLICAS: '3', ROLE: 'alerts', JWT_SECRET: TEST_SECRET });
  const lifecycle = new Lifecycle(testLogger);
  const started = connectServers(config, testLogger, lifecycle, new AbortController().signal, []);
  const error: unknown = await started.catch((reason: unknown) => reason);
  await lifecycle.stop();
  if (!(error instanceof ConfigError)) throw error;
  assert.is(error.message, 'METRICS_STREAM_REPLICAS is 3, and NATS is a single server');
});

test.run();
