import { createHmac } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EmailSender } from '../../../src/alerts/notify/email.js';
import type { Notice, ToldAlert } from '../../../src/alerts/notify/notice.js';
import { type PostOptions, postJson } from '../../../src/alerts/notify/post-json.js';
import { SlackSender } from '../../../src/alerts/notify/slack.js';
import { WebhookSender } from '../../../src/alerts/notify/webhook.js';
import { createLogger, type Logger } from '../../../src/telemetry/logger.js';
import { toldAlert } from '../../support/alerts.js';
import { headerOf, MailReceiver, PostReceiver } from '../../support/receivers.js';

const test = suite('channels');

const mail = new MailReceiver();
const posts = new PostReceiver();
const logLines: string[] = [];
const logger: Logger = createLogger('info', { write: (line) => void logLines.push(line) });
const NEVER = new AbortController().signal;
const KEY = 'a1b2c3d4e5f60718293a4b5c6d7e8f90';
const AT_MS = Date.parse('2026-11-24T12:00:31.000Z');

function notice(channel: Notice['channel'], ...told: ToldAlert[]): Notice {
  return { channel, key: KEY, atMs: AT_MS, told };
}
function emailSender(changes: Partial<ConstructorParameters<typeof EmailSender>[0]> = {}): EmailSender {
  const to = ['ops@example.org', 'lead@example.org'];
  return new EmailSender({ smtpUrl: mail.url, from: 'alerts@example.org', to, timeoutMs: 1_000, logger, ...changes });
}
function webhookSender(secret?: string): WebhookSender {
  return new WebhookSender({
    url: new URL(posts.url()),
    secret,
    allowPrivate: true,
    timeoutMs: 500,
    externalUrl: 'http://metrics.example',
    now: () => AT_MS,
  });
}
function options(changes: Partial<PostOptions> = {}): PostOptions {
  return { headers: {}, allowPrivate: true, timeoutMs: 500, signal: NEVER, ...changes };
}

test.before.each(async () => {
  logLines.length = 0;
  mail.mails.length = 0;
  mail.refusals.length = 0;
  posts.posts.length = 0;
  posts.script.length = 0;
  await mail.open();
  await posts.open();
});
test.after.each(async () => {
  await mail.close();
  await posts.close();
});

test('an email comes with subject, text, HTML and the key in Message-ID and header', async () => {
  const sender = emailSender();
  const sent = notice('email', toldAlert('high_error_rate', 'firing', { summary: 'Fehlerrate über 5 %' }));
  assert.equal(await sender.send(sent, NEVER), { kind: 'sent' });
  const [received] = mail.mails;
  if (received === undefined) throw new Error('no mail');
  assert.equal([received.from, received.to], ['alerts@example.org', ['ops@example.org', 'lead@example.org']]);
  assert.equal(headerOf(received, 'From'), ['alerts@example.org']);
  assert.equal(headerOf(received, 'To'), ['ops@example.org, lead@example.org']);
  assert.equal(headerOf(received, 'Subject'), ['[FIRING:1] high_error_rate']);
  assert.equal(headerOf(received, 'Message-ID'), [`<${KEY}@example.org>`]);
  assert.equal(headerOf(received, 'X-Metrics-Notification'), [KEY]);
  assert.equal(headerOf(received, 'Auto-Submitted'), ['auto-generated']);
  assert.equal(headerOf(received, 'Date'), ['Tue, 24 Nov 2026 12:00:31 +0000']);
  assert.match(headerOf(received, 'Content-Type').join(), /^multipart\/alternative/);
  assert.match(received.raw, /Content-Type: text\/plain; charset=utf-8/);
  assert.match(received.raw, /Content-Type: text\/html; charset=utf-8/);
  assert.match(received.raw, /Fehlerrate =C3=BCber|Fehlerrate =\?/);
  sender.close();
});

test('line breaks in an alert change no header, and give one line in the log', async () => {
  const evil = 'high\r\nBcc: thief@evil.example\r\n\r\n<b>body</b>';
  const sender = emailSender();
  const told = toldAlert('a', 'firing', { name: evil, summary: evil, labels: { service_name: evil } });
  assert.equal(await sender.send(notice('email', told), NEVER), { kind: 'sent' });
  const [received] = mail.mails;
  if (received === undefined) throw new Error('no mail');
  assert.equal(headerOf(received, 'Bcc'), []);
  assert.equal(headerOf(received, 'Subject'), ['[FIRING:1] high Bcc: thief@evil.example <b>body</b>']);
  assert.equal(received.to, ['ops@example.org', 'lead@example.org']);
  assert.is(logLines.length, 1, logLines.join(''));
  assert.match(logLines[0] ?? '', /line breaks/);
  sender.close();
});

test('a recipient with a line break is left out, and gives one line in the log', async () => {
  const sender = emailSender({ to: ['ops@example.org', 'x@example.org\r\nBcc: thief@evil.example'] });
  assert.equal(await sender.send(notice('email', toldAlert('a', 'firing')), NEVER), { kind: 'sent' });
  assert.equal(mail.mails[0]?.to, ['ops@example.org']);
  assert.equal(headerOf(mail.mails[0] ?? { from: '', to: [], headers: [], raw: '' }, 'Bcc'), []);
  assert.is(logLines.length, 1, logLines.join(''));
  sender.close();
});

test('what the SMTP server says is a reason by name; a message that it refuses as such is not tried again', async () => {
  const sender = emailSender();
  const sent = notice('email', toldAlert('a', 'firing'));
  mail.refusals.push({ code: 451, text: 'try later' }, { code: 554, text: 'looks like spam' });
  assert.equal(await sender.send(sent, NEVER), { kind: 'retry', reason: 'smtp_451' });
  assert.equal(await sender.send(sent, NEVER), { kind: 'rejected', reason: 'smtp_554' });
  await mail.close();
  assert.equal((await sender.send(sent, NEVER)).kind, 'retry');
  await mail.open();
  assert.equal(await sender.send(sent, NEVER), { kind: 'sent' });
  sender.close();
});

test('an SMTP server that does not answer is given up within the timeout', async () => {
  const silent = new PostReceiver();
  await silent.open();
  const sender = emailSender({ smtpUrl: `smtp://127.0.0.1:${silent.port}`, timeoutMs: 200 });
  const outcome = await sender.send(notice('email', toldAlert('a', 'firing')), NEVER);
  assert.equal(outcome, { kind: 'retry', reason: 'timeout' });
  sender.close();
  await silent.close();
});

test('Slack gets text and blocks', async () => {
  const sender = new SlackSender({
    url: new URL(posts.url('/services/T0/B0/xyz')),
    allowPrivate: true,
    timeoutMs: 500,
  });
  assert.equal(await sender.send(notice('slack', toldAlert('high_error_rate', 'firing')), NEVER), { kind: 'sent' });
  const [post] = posts.posts;
  assert.equal([post?.path, post?.headers['content-type']], ['/services/T0/B0/xyz', 'application/json']);
  const body: unknown = JSON.parse(post?.body ?? '');
  assert.equal(body, {
    text: '[FIRING:1] high_error_rate',
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: '[FIRING:1] high_error_rate', emoji: false } },
      {
        type: 'section',
        text: {
          type: 'mrkdwn',
          text: [
            ':red_circle: *FIRING* high_error_rate (critical)',
            'billing: high_error_rate',
            'error_rate &gt; 0.05, value 0.08',
            'service_name=billing',
            'since 2026-11-24T12:00:00.000Z',
          ].join('\n'),
        },
      },
      { type: 'context', elements: [{ type: 'mrkdwn', text: `key ${KEY}` }] },
    ],
  });
});

test('a webhook is signed over time and body, and has the key as Idempotency-Key', async () => {
  await webhookSender('a-secret').send(notice('webhook', toldAlert('a', 'firing')), NEVER);
  const [post] = posts.posts;
  if (post === undefined) throw new Error('no post');
  assert.is(post.headers['idempotency-key'], KEY);
  const timestamp = post.headers['x-metrics-timestamp'];
  const expected = createHmac('sha256', 'a-secret').update(`${timestamp}.${post.body}`).digest('hex');
  assert.is(post.headers['x-metrics-signature'], `sha256=${expected}`);
  assert.is(timestamp, String(Math.floor(AT_MS / 1_000)));
});

test('a webhook without a secret is not signed', async () => {
  await webhookSender().send(notice('webhook', toldAlert('a', 'firing')), NEVER);
  assert.not.ok('x-metrics-signature' in (posts.posts[0]?.headers ?? {}));
});

const ANSWERS: readonly [status: number, headers: Record<string, string>, outcome: object][] = [
  [200, {}, { kind: 'sent' }],
  [202, {}, { kind: 'sent' }],
  [500, {}, { kind: 'retry', reason: 'status_500' }],
  [429, { 'Retry-After': '7' }, { kind: 'retry', reason: 'status_429', retryAfterMs: 7_000 }],
  [404, {}, { kind: 'retry', reason: 'status_404' }],
  [400, {}, { kind: 'rejected', reason: 'status_400' }],
  [413, {}, { kind: 'rejected', reason: 'status_413' }],
  [302, { Location: '/elsewhere' }, { kind: 'retry', reason: 'redirect_refused' }],
  [307, { Location: 'http://169.254.169.254/' }, { kind: 'retry', reason: 'redirect_refused' }],
];
for (const [status, headers, outcome] of ANSWERS) {
  test(`an answer of ${status} is ${JSON.stringify(outcome)}, and asks nobody else`, async () => {
    posts.script.push({ status, headers });
    assert.equal(await postJson(new URL(posts.url()), '{}', options()), outcome);
    assert.is(posts.posts.length, 1);
  });
}

test('a receiver that does not answer is given up within the timeout, and one that is away is named', async () => {
  posts.script.push({ status: 200, hangs: true });
  const outcome = await postJson(new URL(posts.url()), '{}', options({ timeoutMs: 100 }));
  assert.equal(outcome, { kind: 'retry', reason: 'timeout' });
  await posts.close();
  assert.equal(await postJson(new URL(posts.url()), '{}', options()), { kind: 'retry', reason: 'connection_refused' });
});

test('whose answer does not end has answered all the same', async () => {
  posts.script.push({ status: 200, isEndless: true }, { status: 503, isEndless: true });
  const outcomes = [];
  for (let tries = 0; tries < 2; tries += 1) {
    outcomes.push(await postJson(new URL(posts.url()), '{}', options({ timeoutMs: 300 })));
  }
  assert.equal(outcomes, [{ kind: 'sent' }, { kind: 'retry', reason: 'status_503' }]);
});

const REFUSED: readonly [what: string, url: (port: number) => string, changes: Partial<PostOptions>][] = [
  ['this machine', (port) => `http://127.0.0.1:${port}/`, { allowPrivate: false }],
  ['this machine in another notation', (port) => `http://0x7f000001:${port}/`, { allowPrivate: false }],
  ['this machine by its name', (port) => `http://localhost:${port}/`, { allowPrivate: false }],
  ['a metadata service, even where private is allowed', () => 'http://169.254.169.254/latest', { allowPrivate: true }],
  [
    'a name that leads to a link-local address',
    () => 'http://hook.example/',
    { resolve: (_name, _options, callback) => callback(null, [{ address: '169.254.10.1', family: 4 }]) },
  ],
];
for (const [what, url, changes] of REFUSED) {
  test(`${what} is not called`, async () => {
    const outcome = await postJson(new URL(url(posts.port)), '{}', options(changes));
    assert.equal(outcome, { kind: 'retry', reason: 'address_refused' });
    assert.is(posts.posts.length, 0);
  });
}

test('a name is judged by the address that the connection goes to, so rebinding gains nothing', async () => {
  const answers = ['127.0.0.1', '169.254.169.254'];
  let asked = 0;
  const resolve: PostOptions['resolve'] = (_name, _options, callback) => {
    const address = answers[asked] ?? '';
    asked += 1;
    callback(null, [{ address, family: 4 }]);
  };
  const url = new URL(`http://hook.example:${posts.port}/`);
  assert.equal(await postJson(url, '{}', options({ resolve })), { kind: 'sent' });
  assert.is(asked, 1, 'there is one look-up for one connection');
  assert.equal(await postJson(url, '{}', options({ resolve })), { kind: 'retry', reason: 'address_refused' });
  assert.is(posts.posts.length, 1);
});

test.run();
