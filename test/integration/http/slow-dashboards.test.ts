import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openPool } from '../../../src/store/postgres.js';
import { waitFor } from '../../support/servers.js';
import { startTestService, type TestService } from '../../support/service.js';

/** More than there are connections for. */
const DASHBOARDS = 20;

const context: { service?: TestService } = {};
const test = suite('slow dashboards');
test.before(async () => {
  context.service = await startTestService();
});
test.after(async () => {
  await context.service?.stop();
});

test('many dashboards that cannot be counted leave summary, health and readiness alone', async () => {
  const { service } = context;
  if (service === undefined) throw new Error('not started');
  const { client, servers } = service;
  await client.post('/metrics/events', { kind: 'system', service_name: 'web', metric_name: 'cpu_usage', value: 1 });
  await waitFor('the summary of the event', async () =>
    /"services":1,/.test((await client.get('/metrics/summary')).text) ? true : undefined,
  );
  const pool = openPool({
    databaseUrl: servers.database.url,
    maxConnections: 2,
    applicationName: 'test',
    onError: () => undefined,
  });
  const lock = await pool.connect();
  // The pool's connections are ended after 15 s in a transaction that does nothing; this one does nothing on purpose.
  await lock.query('set idle_in_transaction_session_timeout = 0');
  await lock.query('begin; lock table measurement_rollups, system_metrics in access exclusive mode');
  const dashboards = Array.from({ length: DASHBOARDS }, (_, index) =>
    client.get(`/metrics/dashboard?from=-1h&service=web-${index}`),
  );
  try {
    await waitFor('dashboards that wait', async () => {
      const { rows } = await pool.query(
        `select from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'metrics-service %'`,
      );
      return rows.length >= 4 ? true : undefined;
    });
    const ready = await client.get('/health/detailed');
    assert.is(ready.status, 200);
    assert.match(ready.text, /"postgres":{"status":"up"/);
    for (const path of ['/metrics/summary', '/metrics/services/health']) {
      const answer = await client.get(path);
      assert.is(answer.status, 200, `${path}: ${answer.text}`);
    }
  } finally {
    await lock.query('rollback');
    lock.release();
    await pool.end();
  }
  const statuses = (await Promise.all(dashboards)).map(({ status }) => status);
  assert.ok(statuses.every((status) => status === 200 || status === 503));
  assert.ok(statuses.includes(200));
});

test.run();
