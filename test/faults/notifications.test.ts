import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeAlert } from '../../src/alerts/alert.js';
import { WORKER_TIMES } from '../../src/alerts/notify/notifiers.js';
import type { ManagedServer } from '../../src/devservices/index.js';
import { ALERT_ACTIONS_STREAM, ALERT_SUBJECT } from '../../src/stream/streams.js';
import { alertMessage } from '../support/alerts.js';
import { openLog, type TestLog } from '../support/log.js';
import { type NotifyProcessOptions, startNotifyProcess } from '../support/notify-process.js';
import { SHORT_TIMES } from '../support/notify-stage.js';
import { SeededRandom } from '../support/random.js';
import { headerOf, MailReceiver, PostReceiver } from '../support/receivers.js';
import { startTestNats, waitFor } from '../support/servers.js';

const test = suite('Notifications');

/** Fault 22: in full 50 kills, and SMTP and Slack away for 10 minutes, with the times that the service has. */
const FULL = process.env.METRICS_FAULTS === 'full';
const KILLS = FULL ? 50 : 4;
const ALERTS_A_KILL = 4;
const CHANNELS = 3;
const AWAY_MS = FULL ? 600_000 : 2_000;
/** A lease goes by itself after a kill; groups wait so long that a loaded machine has read all that belongs to them. */
const KILL_TIMES = { ...SHORT_TIMES, settleMs: 300, leaseMs: 1_500 };
const BOUND_MS = FULL ? 1_200_000 : 60_000;

interface Stage {
  readonly nats: ManagedServer;
  readonly log: TestLog;
  readonly mail: MailReceiver;
  readonly slack: PostReceiver;
  readonly hook: PostReceiver;
  readonly options: NotifyProcessOptions;
}
const context: { stage?: Stage; processes: Set<ChildProcess> } = { processes: new Set() };
function stage(): Stage {
  if (context.stage === undefined) throw new Error('not opened');
  return context.stage;
}
function start(options: Partial<NotifyProcessOptions> = {}): ChildProcess {
  const child = startNotifyProcess({ ...stage().options, ...options });
  context.processes.add(child);
  return child;
}
async function kill(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  context.processes.delete(child);
}

test.before.each(async () => {
  const nats = await startTestNats();
  const [log, mail, slack, hook] = [
    await openLog(nats.url),
    new MailReceiver(),
    new PostReceiver(),
    new PostReceiver(),
  ];
  await Promise.all([mail.open(), slack.open(), hook.open()]);
  const channels = {
    email: { smtpUrl: mail.url, from: 'alerts@example.org', to: ['ops@example.org'] },
    slack: { url: slack.url(), allowPrivate: true },
    webhook: { url: hook.url(), secret: 'secret', allowPrivate: true },
  };
  context.stage = { nats, log, mail, slack, hook, options: { natsUrl: nats.url, channels, times: KILL_TIMES } };
});
test.after.each(async () => {
  for (const child of context.processes) await kill(child);
  const { nats, log, mail, slack, hook } = stage();
  await log.close();
  await Promise.all([mail.close(), slack.close(), hook.close(), nats.stop()]);
});

async function publish(name: string): Promise<void> {
  const alert = alertMessage(name, 'firing');
  const result = await stage().log.appender.append(ALERT_SUBJECT, encodeAlert(alert), alert.id);
  if (result.kind !== 'stored') throw new Error(`not published: ${result.reason}`);
}
/** Until every channel has said where it begins: what is published from then on is told. */
async function begun(): Promise<void> {
  await waitFor('the channels to begin', async () => {
    const { state } = await stage().log.manager.streams.info('METRICS_ALERT_ACTIONS');
    return state.last_seq >= 3 ? true : undefined;
  });
}

interface Try {
  readonly key: string;
  readonly rules: readonly string[];
}
const rulesIn = (text: string): string[] => [...new Set(text.match(/rule_\d+/g) ?? [])].sort();
const posted = ({ posts }: Pick<PostReceiver, 'posts'>): Try[] =>
  posts.map(({ headers, body }) => ({ key: String(headers['idempotency-key']), rules: rulesIn(body) }));
function mailed({ mails }: MailReceiver): Try[] {
  return mails.map((mail) => ({ key: headerOf(mail, 'X-Metrics-Notification').join(), rules: rulesIn(mail.raw) }));
}

/** Every rule was told, and whatever told of it had one key, that told of nothing else. */
function assertEachUnderOneKey(channel: string, tries: readonly Try[], rules: readonly string[]): void {
  const keysOf = new Map<string, Set<string>>();
  const rulesOf = new Map<string, string>();
  for (const { key, rules: told } of tries) {
    assert.is(rulesOf.get(key) ?? told.join(), told.join(), `${channel}: ${key} tells the same on every try`);
    rulesOf.set(key, told.join());
    for (const rule of told) keysOf.set(rule, (keysOf.get(rule) ?? new Set()).add(key));
  }
  assert.equal([...keysOf.keys()].sort(), [...rules].sort(), `${channel}: each alert is told, and no other`);
  for (const [rule, keys] of keysOf) assert.is(keys.size, 1, `${channel}: ${rule} has ${[...keys]}`);
}
function told(tries: readonly Try[]): number {
  return new Set(tries.flatMap(({ rules }) => rules)).size;
}

test(`killed ${KILLS} times, each alert is delivered, under one key`, async () => {
  const random = SeededRandom.announced('kills in the path of notices');
  const { mail, slack, hook } = stage();
  // Slow receivers, so that many a kill comes between sending and recording.
  const slowly = (): Promise<void> => sleep(random.integer(0, 150));
  hook.onPost = slowly;
  slack.onPost = slowly;
  mail.onMail = slowly;
  let child = start();
  await begun();
  const rules: string[] = [];
  for (let kills = 0; kills < KILLS; kills += 1) {
    for (let count = 0; count < ALERTS_A_KILL; count += 1) {
      rules.push(`rule_${rules.length}`);
      await publish(rules.at(-1) ?? '');
      await sleep(random.integer(0, 300));
    }
    // Most kills come while notices are under way: the next leader has begun, and told something new, or will yet.
    const before = hook.posts.length;
    if (random.next() < 0.7) await waitFor('a try', () => (hook.posts.length > before ? true : undefined), BOUND_MS);
    await kill(child);
    child = start();
  }
  const all = (tries: readonly Try[]): boolean => told(tries) === rules.length;
  await waitFor(
    'all alerts to be told',
    () => (all(posted(hook)) && all(posted(slack)) && all(mailed(mail)) ? true : undefined),
    BOUND_MS,
  );
  assertEachUnderOneKey('webhook', posted(hook), rules);
  assertEachUnderOneKey('slack', posted(slack), rules);
  assertEachUnderOneKey('email', mailed(mail), rules);
});

test(`SMTP and Slack away for ${AWAY_MS / 1_000} s hold the webhook back not at all, and get all in the end`, async () => {
  const { mail, slack, hook } = stage();
  start(FULL ? { times: WORKER_TIMES } : {});
  await begun();
  await mail.close();
  slack.standing = { status: 503 };
  slack.script.push({ status: 429, headers: { 'Retry-After': '1' } });
  const rules = Array.from({ length: 5 }, (_, index) => `rule_${index}`);
  const startedMs = performance.now();
  for (const rule of rules) {
    await publish(rule);
    await sleep(AWAY_MS / rules.length);
  }
  await waitFor('the webhook to have all', () => (told(posted(hook)) === rules.length ? true : undefined), BOUND_MS);
  assert.ok(performance.now() - startedMs >= AWAY_MS);
  assert.equal([mail.mails.length, slack.taken.length], [0, 0], 'the others are away still');
  assert.ok(slack.posts.length >= 3, `${slack.posts.length} tries`);
  await mail.open();
  slack.standing = { status: 200 };
  const have = (): boolean =>
    told(posted({ posts: slack.taken })) === rules.length && told(mailed(mail)) === rules.length;
  await waitFor('the others to have all', () => (have() ? true : undefined), BOUND_MS);
  assertEachUnderOneKey('slack', posted(slack), rules);
  assertEachUnderOneKey('email', mailed(mail), rules);
  assertEachUnderOneKey('webhook', posted(hook), rules);
});

test('a process that was stopped, and wakes after another took over, tells nothing again', async () => {
  const { hook, log } = stage();
  const stopped = start();
  await begun();
  await publish('rule_0');
  await waitFor('the first', () => (told(posted(hook)) === 1 ? true : undefined), BOUND_MS);
  // What was told and not yet recorded would be told again, under the same key: that is what the kills are about.
  // The first record of a channel says where it begins.
  const recorded = async (): Promise<true | undefined> => {
    const { state } = await log.manager.streams.info(ALERT_ACTIONS_STREAM);
    return state.last_seq >= 2 * CHANNELS ? true : undefined;
  };
  await waitFor('the first to be recorded by each channel', recorded, BOUND_MS);
  stopped.kill('SIGSTOP');
  start();
  await publish('rule_1');
  await waitFor('the second', () => (told(posted(hook)) === 2 ? true : undefined), BOUND_MS);
  stopped.kill('SIGCONT');
  await publish('rule_2');
  await waitFor('the third', () => (told(posted(hook)) === 3 ? true : undefined), BOUND_MS);
  assert.equal(
    posted(hook).map(({ rules }) => rules.join()),
    ['rule_0', 'rule_1', 'rule_2'],
  );
});

test.run();
