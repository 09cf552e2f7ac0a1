import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EmailSender } from '../../../src/alerts/notify/email.js';
import type { NoticeSender } from '../../../src/alerts/notify/sender.js';
import { SlackSender } from '../../../src/alerts/notify/slack.js';
import { WebhookSender } from '../../../src/alerts/notify/webhook.js';
import { ALERTS_STREAM, ensureStreams } from '../../../src/stream/streams.js';
import { createLogger } from '../../../src/telemetry/logger.js';
import { alertMessage } from '../../support/alerts.js';
import { STREAM_SETTINGS } from '../../support/log.js';
import { begun, type NotifyStage, openNotifyStage } from '../../support/notify-stage.js';
import { headerOf, MailReceiver, PostReceiver } from '../../support/receivers.js';
import { waitFor } from '../../support/servers.js';

const test = suite('notifiers');

const context: { stage?: NotifyStage; mail?: MailReceiver; slack?: PostReceiver; hook?: PostReceiver } = {};
const quiet = createLogger('silent');

function the<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('not opened');
  return value;
}
const stage = (): NotifyStage => the(context.stage);
const mail = (): MailReceiver => the(context.mail);
const slack = (): PostReceiver => the(context.slack);
const hook = (): PostReceiver => the(context.hook);

function emailSender(): NoticeSender {
  const { url: smtpUrl } = mail();
  return new EmailSender({
    smtpUrl,
    from: 'alerts@example.org',
    to: ['ops@example.org'],
    timeoutMs: 500,
    logger: quiet,
  });
}
function slackSender(): NoticeSender {
  return new SlackSender({ url: new URL(slack().url('/services/a-secret')), allowPrivate: true, timeoutMs: 2_000 });
}
function hookSender(): NoticeSender {
  const url = new URL(hook().url());
  return new WebhookSender({ url, secret: 's', allowPrivate: true, timeoutMs: 2_000, externalUrl: '', now: Date.now });
}
const keyOf = ({ headers }: { headers: Record<string, unknown> }): string => String(headers['idempotency-key']);
/** Rule and status of each alert in each body that the webhook took. */
function hookTold(): string[][] {
  return hook().taken.map(({ body }) => {
    const { alerts }: { alerts: { labels: { alertname: string }; status: string }[] } = JSON.parse(body);
    return alerts.map(({ labels, status }) => `${labels.alertname} ${status}`);
  });
}
async function hookTook(count: number, boundMs?: number): Promise<void> {
  await waitFor(`${count} webhooks`, () => (hook().taken.length >= count ? true : undefined), boundMs);
}
/** Until the last thing published is done with: sent, skipped or given up. */
async function settled(channel: string, sequence: number): Promise<void> {
  await waitFor(`${channel} to be through with ${sequence}`, async () => {
    const records = await stage().records();
    const found = records.some((record) => record.channel === channel && record.through_sequence >= sequence);
    return found ? true : undefined;
  });
}

test.before.each(async () => {
  context.stage = await openNotifyStage();
  context.mail = new MailReceiver();
  context.slack = new PostReceiver();
  context.hook = new PostReceiver();
  await Promise.all([mail().open(), slack().open(), hook().open()]);
});
test.after.each(async () => {
  await stage().close();
  await Promise.all([mail().close(), slack().close(), hook().close()]);
});

test('what fires within a group comes as one notice through each channel that its rule names', async () => {
  await stage().open([emailSender(), slackSender(), hookSender()]);
  await begun(stage(), ['email', 'slack', 'webhook']);
  await stage().publish(
    alertMessage('a', 'firing'),
    alertMessage('b', 'firing'),
    alertMessage('c', 'firing', { notification: ['email'] }),
  );
  for (const channel of ['email', 'slack', 'webhook']) await settled(channel, channel === 'email' ? 3 : 2);
  assert.equal(hookTold(), [['a firing', 'b firing']]);
  assert.equal([mail().mails.length, slack().taken.length], [1, 1]);
  assert.equal(headerOf(the(mail().mails[0]), 'Subject'), ['[FIRING:3] a, b, c']);
});

test('a resolved notice follows, and a catch-up that fired and resolved is one summary', async () => {
  await stage().open([hookSender()]);
  await begun(stage(), ['webhook']);
  await stage().publish(alertMessage('a', 'firing'));
  await hookTook(1);
  await stage().publish(alertMessage('a', 'resolved'), alertMessage('b', 'firing'), alertMessage('b', 'resolved'));
  await hookTook(2);
  assert.equal(hookTold(), [['a firing'], ['a resolved', 'b resolved']]);
});

test('while it fires it is repeated, until it is acknowledged', async () => {
  stage().repeats.set('a', 300);
  await stage().open([hookSender()]);
  await begun(stage(), ['webhook']);
  await stage().publish(alertMessage('a', 'firing'));
  await hookTook(3);
  stage().people.acknowledged = true;
  assert.is(new Set(hook().taken.map(keyOf)).size, hook().taken.length, 'each repeat has a key of its own');
  await stage().publish(alertMessage('a', 'resolved'));
  await settled('webhook', 2);
  assert.equal(hookTold().at(-1), ['a resolved']);
});

test('a silence keeps it back with a named reason, and its end tells what fires still', async () => {
  stage().people.silenced = true;
  await stage().open([hookSender()]);
  await begun(stage(), ['webhook']);
  await stage().publish(alertMessage('a', 'firing'));
  await settled('webhook', 1);
  const record = (await stage().records()).at(-1);
  assert.equal(
    [record?.outcome, record?.not_told],
    ['skipped', [{ id: alertMessage('a', 'firing').id, reason: 'silenced' }]],
  );
  assert.is(hook().posts.length, 0);
  stage().people.silenced = false;
  await hookTook(1);
  assert.equal(hookTold(), [['a firing']]);
});

test('one channel that is down does not hold the other, and gets everything when it is back, under one key a notice', async () => {
  slack().standing = { status: 500 };
  slack().script.push({ status: 429, headers: { 'Retry-After': '0' } }, { status: 200, hangs: true });
  await mail().close();
  const process = await stage().open([emailSender(), slackSender(), hookSender()]);
  await begun(stage(), ['email', 'slack', 'webhook']);
  await stage().publish(alertMessage('a', 'firing'));
  await hookTook(1);
  await stage().publish(alertMessage('b', 'firing'));
  await hookTook(2);
  await waitFor('tries to reach Slack', () => (slack().posts.length >= 5 ? true : undefined));
  assert.equal([mail().mails.length, slack().taken.length], [0, 0]);
  assert.is(new Set(slack().posts.map(keyOf)).size, 1, 'each try has the same key');
  slack().standing = { status: 200 };
  await mail().open();
  await Promise.all([settled('slack', 2), settled('email', 2)]);
  assert.equal([mail().mails.length, slack().taken.length, hook().taken.length], [2, 2, 2]);
  const counts = await process.metrics.registry.getSingleMetricAsString('metrics_service_notifications_total');
  assert.match(counts, /channel="webhook",outcome="sent"\} 2/);
  assert.match(counts, /channel="webhook",outcome="failed"\} 0/);
  assert.match(counts, /channel="slack",outcome="sent"\} 2/);
  const lines = stage().logLines.join('');
  assert.match(lines, /status_500/);
  assert.not.match(lines, /a-secret|127\.0\.0\.1|services/, 'no address is logged');
});

test('a notice that does not get through in its time lies among the dead letters, and what comes next is told', async () => {
  slack().standing = { status: 503 };
  const process = await stage().open([slackSender()], { giveUpAfterMs: 600 });
  await begun(stage(), ['slack']);
  await stage().publish(alertMessage('a', 'firing'));
  await settled('slack', 1);
  const record = (await stage().records()).at(-1);
  assert.equal([record?.outcome, record?.comment, record?.alerts], ['dead_lettered', 'status_503', []]);
  const letter = await stage().log.manager.streams.getMessage('METRICS_DEADLETTERS', { seq: 1 });
  assert.is(letter.subject, 'metrics.deadletter.notification_failed');
  assert.equal(
    [letter.header.get('Metrics-Reason'), letter.header.get('Metrics-Detail')],
    ['notification_failed', 'slack: status_503'],
  );
  const { key, told } = JSON.parse(Buffer.from(letter.data).toString());
  assert.equal([key, told[0].alert.name], [keyOf(the(slack().posts[0])), 'a']);
  slack().standing = { status: 200 };
  await stage().publish(alertMessage('b', 'firing'));
  await settled('slack', 2);
  assert.is(slack().taken.length, 1);
  const counts = await process.metrics.registry.getSingleMetricAsString('metrics_service_notifications_total');
  assert.match(counts, /channel="slack",outcome="dead_lettered"\} 1/);
});

test('a message that is refused as such does not hold the next for a day', async () => {
  slack().script.push({ status: 400 });
  await stage().open([slackSender()]);
  await begun(stage(), ['slack']);
  await stage().publish(alertMessage('a', 'firing'));
  await settled('slack', 1);
  await stage().publish(alertMessage('b', 'firing'));
  await settled('slack', 2);
  assert.equal([slack().posts.length, slack().taken.length], [2, 1]);
});

test('who is killed between sending and recording has its notice sent again, under the same key', async () => {
  const first = await stage().open([hookSender()]);
  await begun(stage(), ['webhook']);
  const killed = new Promise<void>((resolve) => {
    hook().onPost = async () => {
      hook().onPost = undefined;
      // The receiver has it, and its answer comes too late.
      await first.kill();
      resolve();
    };
  });
  await stage().publish(alertMessage('a', 'firing'), alertMessage('b', 'firing'));
  await killed;
  await stage().open([hookSender()]);
  await hookTook(2, 25_000);
  await settled('webhook', 2);
  assert.equal(hookTold(), [
    ['a firing', 'b firing'],
    ['a firing', 'b firing'],
  ]);
  assert.is(new Set(hook().taken.map(keyOf)).size, 1);
});

test('a restart neither repeats nor forgets', async () => {
  const first = await stage().open([hookSender()]);
  await begun(stage(), ['webhook']);
  await stage().publish(alertMessage('a', 'firing'));
  await settled('webhook', 1);
  await first.stop();
  await stage().publish(alertMessage('b', 'firing'), alertMessage('a', 'resolved'));
  await stage().open([hookSender()]);
  await settled('webhook', 3);
  assert.equal(hookTold(), [['a firing'], ['b firing', 'a resolved']]);
});

test('the durable consumer shows operators that everything was told', async () => {
  await stage().open([hookSender()]);
  await begun(stage(), ['webhook']);
  await stage().publish(alertMessage('a', 'firing'), alertMessage('b', 'firing', { notification: ['email'] }));
  await waitFor('the acknowledgement', async () => {
    const { ack_floor, num_pending } = await stage().log.manager.consumers.info('METRICS_ALERTS', 'notify-webhook');
    return ack_floor.stream_seq === 2 && num_pending === 0 ? true : undefined;
  });
  assert.equal(hookTold(), [['a firing']]);
});

test('of several processes one tells, and another takes over when it stops', async () => {
  const processes = await Promise.all([stage().open([hookSender()]), stage().open([hookSender()])]);
  await begun(stage(), ['webhook']);
  await stage().publish(alertMessage('a', 'firing'));
  await settled('webhook', 1);
  for (const process of processes) {
    await process.stop();
    await stage().open([hookSender()]);
    await stage().publish(alertMessage(`after_${processes.indexOf(process)}`, 'firing'));
    await settled('webhook', processes.indexOf(process) + 2);
  }
  assert.equal(hookTold(), [['a firing'], ['after_0 firing'], ['after_1 firing']]);
});

test('a channel that is new tells what fires, and none of what is over', async () => {
  await stage().publish(alertMessage('old', 'firing'), alertMessage('old', 'resolved'), alertMessage('a', 'firing'));
  await stage().open([hookSender()]);
  await hookTook(1);
  assert.equal(hookTold(), [['a firing']]);
});

test('a log of alerts that was made anew is told from its beginning once, whoever starts', async () => {
  const first = await stage().open([hookSender()]);
  await begun(stage(), ['webhook']);
  await stage().publish(alertMessage('a', 'firing'), alertMessage('b', 'firing'), alertMessage('c', 'firing'));
  await settled('webhook', 3);
  await first.stop();
  await stage().log.manager.streams.delete(ALERTS_STREAM);
  await ensureStreams(stage().log.manager, STREAM_SETTINGS);
  await stage().publish(alertMessage('d', 'firing'));
  const second = await stage().open([hookSender()]);
  await hookTook(2);
  await waitFor('the record', async () => {
    const sent = (await stage().records()).filter(({ outcome }) => outcome === 'sent');
    return sent.length === 2 ? true : undefined;
  });
  await second.stop();
  await stage().publish(alertMessage('e', 'firing'));
  await stage().open([hookSender()]);
  await hookTook(3);
  assert.equal(hookTold().slice(1), [['d firing'], ['e firing']]);
});

test('NATS killed in the middle loses and doubles nothing', async () => {
  await stage().open([hookSender()]);
  await begun(stage(), ['webhook']);
  await stage().publish(alertMessage('a', 'firing'));
  await settled('webhook', 1);
  await stage().nats.kill();
  await stage().nats.start();
  await waitFor('the reconnect', () => (stage().log.watch.connected ? true : undefined), 15_000);
  await stage().publish(alertMessage('b', 'firing'));
  await hookTook(2, 30_000);
  assert.equal(hookTold(), [['a firing'], ['b firing']]);
});

test('stopping calls off a try that hangs and a wait between tries', async () => {
  slack().standing = { status: 200, hangs: true };
  hook().standing = { status: 500 };
  const process = await stage().open([slackSender(), hookSender()], { firstBackoffMs: 60_000, maxBackoffMs: 60_000 });
  await begun(stage(), ['slack', 'webhook']);
  await stage().publish(alertMessage('a', 'firing'));
  await waitFor('the tries', () => (slack().posts.length > 0 && hook().posts.length > 0 ? true : undefined));
  const startedMs = performance.now();
  await process.stop();
  assert.ok(performance.now() - startedMs < 4_000);
  assert.is((await stage().records()).filter(({ outcome }) => outcome !== 'started').length, 0);
});

test('stopping while NATS is away does not wait for it', async () => {
  const process = await stage().open([slackSender(), hookSender()]);
  await begun(stage(), ['slack', 'webhook']);
  await stage().nats.kill();
  await waitFor('the loss to be noticed', () => (stage().log.watch.connected ? undefined : true), 20_000);
  const startedMs = performance.now();
  await process.notifiers.stop();
  assert.ok(performance.now() - startedMs < 4_000);
  await stage().nats.start();
});

test.run();
