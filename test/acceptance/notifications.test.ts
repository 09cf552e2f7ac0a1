import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { headerOf, MailReceiver, PostReceiver } from '../support/receivers.js';
import { waitFor } from '../support/servers.js';
import { startTestService, type TestService } from '../support/service.js';

const test = suite('An alert reaches people');

/** A group waits 30 s, and an interval closes 5 s after its end. */
const BOUND_MS = 90_000;
const folder = mkdtempSync(join(tmpdir(), 'metrics-alerts-'));
const mail = new MailReceiver();
const slack = new PostReceiver();
const hook = new PostReceiver();
let service: TestService;

test.before(async () => {
  await Promise.all([mail.open(), slack.open(), hook.open()]);
  const file = join(folder, 'alerts.yaml');
  writeFileSync(
    file,
    [
      'alerts:',
      '  - name: high_error_rate',
      '    condition: error_rate > 0.05',
      '    severity: critical',
      '    notification: email,slack',
      '  - { name: errors, condition: errors > 0, notification: webhook, labels: { team: payments } }',
    ].join('\n'),
  );
  service = await startTestService({
    ALERTS_FILE: file,
    ALERT_EVALUATION_INTERVAL: '1',
    SMTP_URL: mail.url,
    ALERT_EMAIL_FROM: 'alerts@example.org',
    ALERT_EMAIL_TO: 'ops@example.org,lead@example.org',
    SLACK_WEBHOOK_URL: slack.url('/services/a-secret'),
    ALERT_WEBHOOK_URL: hook.url('/hook/a-secret'),
    ALERT_WEBHOOK_SECRET: 'a-secret',
    ALERT_WEBHOOK_ALLOW_PRIVATE: 'true',
  });
});
test.after(async () => {
  await service.stop();
  await Promise.all([mail.close(), slack.close(), hook.close()]);
  rmSync(folder, { recursive: true });
});

test('from an event over HTTP to an email, a message in Slack and a webhook', async () => {
  // Channels that are new tell what fires from then on.
  const body = { kind: 'api', service_name: 'billing', endpoint: '/pay', method: 'POST', status_code: 500 };
  assert.is((await service.client.post('/metrics/events', body)).status, 202);
  const [received] = await waitFor('the email', () => (mail.mails.length > 0 ? mail.mails : undefined), BOUND_MS);
  const [message] = await waitFor('Slack', () => (slack.taken.length > 0 ? slack.taken : undefined), BOUND_MS);
  const [post] = await waitFor('the webhook', () => (hook.taken.length > 0 ? hook.taken : undefined), BOUND_MS);
  if (received === undefined || message === undefined || post === undefined) throw new Error('nothing came');
  assert.equal(received.to, ['ops@example.org', 'lead@example.org']);
  assert.equal(headerOf(received, 'Subject'), ['[FIRING:1] high_error_rate']);
  assert.match(message.body, /\*FIRING\* high_error_rate \(critical\)/);
  const { version, alerts } = JSON.parse(post.body);
  assert.equal([version, alerts.length], ['4', 1]);
  assert.equal(alerts[0].labels, {
    alertname: 'errors',
    severity: 'warning',
    service_name: 'billing',
    team: 'payments',
  });
  assert.match(String(post.headers['x-metrics-signature']), /^sha256=[0-9a-f]{64}$/);
});

test('what was told is counted, and no address of a channel is shown', async () => {
  const scrape = await service.client.get('/metrics/prometheus');
  for (const channel of ['email', 'slack', 'webhook']) {
    const line = `metrics_service_notifications_total{channel="${channel}",outcome="sent"} 1`;
    assert.ok(scrape.text.includes(line), line);
  }
  for (const path of ['/metrics/prometheus', '/health/detailed', '/metrics/alerts']) {
    assert.not.match((await service.client.get(path)).text, /a-secret|ops@example/, path);
  }
});

test.run();
