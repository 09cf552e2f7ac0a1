import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AlertSchema } from '../../../src/http/schemas/alert.js';
import type { AlertEntry, AlertsAnswer, SilencesAnswer } from '../../../src/queries/get-alerts.js';
import type { Summary } from '../../../src/queries/summary.js';
import { publishedAlerts } from '../../support/alert-process.js';
import { openLog } from '../../support/log.js';
import { waitFor } from '../../support/servers.js';
import { startTestService, TestClient, type TestService } from '../../support/service.js';

const test = suite('Alerts over HTTP');
const folder = mkdtempSync(join(tmpdir(), 'metrics-alerts-'));
const FILE = join(folder, 'alerts.yaml');
const BOUND_MS = 20_000;
const ERRORS =
  '  - { name: high_error_rate, condition: error_rate > 0.05, severity: critical, notification: "email,slack" }';
const LOGINS = '  - { name: logins, condition: \'events["user_login"] > 1\', severity: info }';
let service: TestService;

function writeRules(...rules: readonly string[]): void {
  writeFileSync(FILE, `alerts:\n${rules.join('\n')}\n`);
}

test.before(async () => {
  writeRules(ERRORS, LOGINS);
  service = await startTestService({
    ALERTS_FILE: FILE,
    ALERT_EVALUATION_INTERVAL: '1',
    JWT_ENFORCE_SCOPES: 'true',
  });
});

test.after(async () => {
  await service.stop();
  rmSync(folder, { recursive: true });
});

async function request(service_name: string, status_code: number): Promise<void> {
  const body = { kind: 'api', service_name, endpoint: '/pay', method: 'POST', status_code, response_time_ms: 5 };
  assert.is((await service.client.post('/metrics/events', body)).status, 202);
}

async function alerts(question = ''): Promise<readonly AlertEntry[]> {
  const answer = await service.client.get(`/metrics/alerts${question}`);
  assert.is(answer.status, 200);
  return (answer.json() as AlertsAnswer).alerts;
}

function firing(name: string, serviceName: string): Promise<AlertEntry> {
  return waitFor(
    `${name} of ${serviceName}`,
    async () =>
      (await alerts('?status=firing')).find((each) => each.name === name && each.labels.service_name === serviceName),
    BOUND_MS,
  );
}

test('what fires is shown alike by alerts, summary, dashboard and scrape', async () => {
  for (const status of [500, 500, 200]) await request('billing', status);
  const alert = await firing('high_error_rate', 'billing');
  assert.equal([alert.severity, alert.condition, alert.ends_at], ['critical', 'error_rate > 0.05', null]);
  assert.ok(alert.value !== null && alert.value > 0.05);
  const shown = {
    name: alert.name,
    severity: alert.severity,
    labels: alert.labels,
    value: alert.value,
    starts_at: alert.starts_at,
  };
  const summary = (await service.client.get('/metrics/summary')).json() as Summary;
  assert.equal(summary.alerts.firing, [shown]);
  const dashboard = (await service.client.get('/metrics/dashboard')).json() as { alerts: unknown };
  assert.equal(dashboard.alerts, [shown]);
  const scrape = (await service.client.get('/metrics/prometheus')).text;
  assert.match(scrape, /platform_alert_firing\{[^}]*alert="high_error_rate"[^}]*service="billing"[^}]*\} 1/);
  assert.match(scrape, /metrics_service_alert_transitions_total\{status="firing"\} 1/);
  assert.match(scrape, 'metrics_service_alert_config_valid 1');
  assert.match(scrape, 'metrics_service_alert_channel_missing{channel="slack"} 1');
});

test('what is published is as /asyncapi.json says', async () => {
  const log = await openLog(service.servers.nats.url);
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  const published = await publishedAlerts(log);
  assert.ok(published.length > 0);
  for (const message of published) assert.ok(ajv.validate(AlertSchema, message), ajv.errorsText());
  assert.equal(published[0]?.notification, ['email', 'slack']);
  await log.close();
});

test('an acknowledgement is kept with the alert, and the first one counts', async () => {
  const { id } = await firing('high_error_rate', 'billing');
  const answer = await service.client.post(`/metrics/alerts/${id}/ack`, { comment: 'looking into it' });
  assert.is(answer.status, 200);
  assert.is((answer.json() as { by: string }).by, 'operator');
  const again = await service.client.send('POST', `/metrics/alerts/${encodeURIComponent(id)}/ack`);
  assert.is(again.status, 200);
  assert.equal(again.json(), answer.json());
  const alert = await firing('high_error_rate', 'billing');
  assert.is(alert.acknowledged?.comment, 'looking into it');
  assert.is((await service.client.post('/metrics/alerts/nothing/ack', {})).status, 404);
});

test('a silence covers what has its labels, until it is ended', async () => {
  const until = new Date(Date.now() + 3_600_000).toISOString();
  const body = { matchers: { alertname: 'high_error_rate', service_name: 'billing' }, until, comment: 'deploying' };
  const made = await service.client.post('/metrics/alerts/silences', body);
  assert.is(made.status, 201);
  const { id } = made.json() as { id: string };
  const alert = await firing('high_error_rate', 'billing');
  assert.equal(alert.silenced_by, [id]);
  const { silences } = (await service.client.get('/metrics/alerts/silences')).json() as SilencesAnswer;
  assert.equal(
    silences.map((each) => [each.id, each.by, each.until, each.covers]),
    [[id, 'operator', until, [alert.id]]],
  );
  assert.is((await service.client.send('DELETE', `/metrics/alerts/silences/${id}`)).status, 204);
  assert.is((await service.client.send('DELETE', `/metrics/alerts/silences/${id}`)).status, 204);
  assert.is((await service.client.send('DELETE', '/metrics/alerts/silences/none')).status, 404);
  assert.equal((await firing('high_error_rate', 'billing')).silenced_by, []);
});

test('a silence until resolved covers what fires already, and not what begins later', async () => {
  const made = await service.client.post('/metrics/alerts/silences', {
    matchers: { alertname: 'high_error_rate' },
    until_resolved: true,
  });
  assert.is(made.status, 201);
  const { id } = made.json() as { id: string };
  assert.equal((await firing('high_error_rate', 'billing')).silenced_by, [id]);
  await request('mail', 500);
  assert.equal((await firing('high_error_rate', 'mail')).silenced_by, []);
  const nothing = { matchers: { alertname: 'no_such_rule' }, until_resolved: true };
  const refused = await service.client.post('/metrics/alerts/silences', nothing);
  assert.equal([refused.status, (refused.json() as { type: string }).type.split(':').at(-1)], [409, 'nothing_fires']);
});

const BAD_SILENCES: readonly (readonly [what: string, body: unknown])[] = [
  ['without matchers', { until_resolved: true }],
  ['with no matcher', { matchers: {}, until_resolved: true }],
  ['without an end', { matchers: { alertname: 'a' } }],
  ['with two ends', { matchers: { alertname: 'a' }, until: '2999-01-01T00:00:00Z', until_resolved: true }],
  ['until a time that is over', { matchers: { alertname: 'a' }, until: '2020-01-01T00:00:00Z' }],
  ['until 2026-02-30', { matchers: { alertname: 'a' }, until: '2026-02-30T00:00:00Z' }],
  ['with a line break in its comment', { matchers: { alertname: 'a' }, until_resolved: true, comment: 'a\r\nb' }],
  ['with a label that is none', { matchers: { 'a b': 'a' }, until_resolved: true }],
  ['with an unknown field', { matchers: { alertname: 'a' }, until_resolved: true, forever: true }],
];
for (const [what, body] of BAD_SILENCES) {
  test(`a silence ${what} is refused`, async () => {
    const answer = await service.client.post('/metrics/alerts/silences', body);
    assert.is(answer.status, 422, answer.text);
  });
}

const BAD_QUESTIONS = [
  '?status=pending',
  '?from=now&to=-1h',
  '?from=yesterday',
  '?limit=1e9',
  '?status=firing&status=resolved',
];
for (const question of BAD_QUESTIONS) {
  test(`${question} is refused`, async () => {
    assert.is((await service.client.get(`/metrics/alerts${question}`)).status, 400);
  });
}

test('reading and writing ask for their scopes', async () => {
  const reader = await TestClient.of(service.app.port, { scope: 'metrics:read' });
  const writer = await TestClient.of(service.app.port, { scope: 'metrics:write' });
  assert.is((await reader.get('/metrics/alerts')).status, 200);
  assert.is((await reader.send('POST', '/metrics/alerts/a/ack')).status, 403);
  assert.is((await reader.send('DELETE', '/metrics/alerts/silences/a')).status, 403);
  assert.is((await reader.post('/metrics/alerts/silences', {})).status, 403);
  assert.is((await writer.get('/metrics/alerts')).status, 403);
  assert.is((await writer.get('/metrics/alerts/silences')).status, 403);
});

test('Redis flushed and tables emptied change nothing about alerts', async () => {
  const before = await alerts();
  const { default: Redis } = await import('ioredis');
  const redis = new Redis.Redis(service.servers.redis.port);
  await redis.flushall();
  redis.disconnect();
  const client = new pg.Client({ connectionString: service.servers.database.url });
  await client.connect();
  await client.query('truncate api_metrics, user_events, system_metrics');
  await client.end();
  assert.equal(await alerts(), before);
  await request('files', 500);
  await firing('high_error_rate', 'files');
});

test('a bad file of rules keeps the old ones and says so; a rule that is gone resolves its alerts', async () => {
  const scrape = async (pattern: string): Promise<true | undefined> =>
    (await service.client.get('/metrics/prometheus')).text.includes(pattern) ? true : undefined;
  writeRules(ERRORS, '  - { name: nonsense, condition: eror_rate > 1 }');
  await waitFor('the bad file', () => scrape('metrics_service_alert_config_valid 0'), BOUND_MS);
  await request('search', 500);
  await firing('high_error_rate', 'search');
  writeRules(LOGINS);
  service.app.reload();
  await waitFor('the good file', () => scrape('metrics_service_alert_config_valid 1'), BOUND_MS);
  await waitFor('their end', async () => ((await alerts('?status=firing')).length === 0 ? true : undefined), BOUND_MS);
  const resolved = (await alerts('?status=resolved')).map(({ labels }) => labels.service_name);
  assert.equal(resolved.sort(), ['billing', 'files', 'mail', 'search']);
  const { silences } = (await service.client.get('/metrics/alerts/silences')).json() as SilencesAnswer;
  assert.equal(silences, [], 'until resolved');
  const answer = await service.client.post(`/metrics/alerts/${(await alerts())[0]?.id}/ack`, {});
  assert.is(answer.status, 409);
});

test('rules of the platform have no service', async () => {
  for (const user_id of [1, 2]) {
    const body = { event_type: 'user_login', user_id };
    assert.is((await service.client.post('/metrics/events', body)).status, 202);
  }
  const alert = await waitFor(
    'logins',
    async () => (await alerts('?status=firing')).find(({ name }) => name === 'logins'),
    BOUND_MS,
  );
  assert.equal([alert.labels, alert.value], [{}, 2]);
});

test('an answer that says the same has the same tag', async () => {
  const first = await service.client.get('/metrics/alerts?status=resolved');
  const again = await service.client.send('GET', '/metrics/alerts?status=resolved', undefined, {
    'if-none-match': first.headers.get('etag') ?? '',
  });
  assert.is(again.status, 304);
});

test.run();
