import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ListDocument, ReplayDocument, ShowDocument } from '../../src/cli/deadletters-text.js';
import { freePort, type ManagedServer } from '../../src/devservices/index.js';
import { parkDeadLetters } from '../../src/stream/dead-letters.js';
import { parkNotice } from '../../src/stream/dead-notices.js';
import { type Ended, runHere } from '../support/command-line.js';
import { allLetters } from '../support/letters.js';
import { openLog, type TestLog } from '../support/log.js';
import { message } from '../support/messages.js';
import { startTestNats } from '../support/servers.js';

const LOGIN = 'metrics.events.user.user_login';
const HOUR_MS = 3_600_000;

const test = suite('deadletters on the command line');
let nats: ManagedServer;
let log: TestLog;

test.before(async () => {
  nats = await startTestNats();
  log = await openLog(nats.url);
  const letterOf = (
    sequence: number,
    reason: 'invalid_json' | 'unsupported_version',
    body: string,
    hoursAgo: number,
  ) => ({
    message: message(sequence === 2 ? 'metrics.events.system.billing' : LOGIN, body, {
      sequence,
      storedAtMs: Date.now() - hoursAgo * HOUR_MS,
      headers: { 'Nats-Msg-Id': `id-${sequence}` },
    }),
    refusal: { reason, errors: [{ pointer: '/email', detail: 'of ann@example.com' }] },
  });
  await parkDeadLetters(
    log.appender,
    [
      letterOf(1, 'invalid_json', 'ann@example.com \u001b[2J\u202e', 5),
      letterOf(2, 'invalid_json', 'x', 4),
      letterOf(3, 'unsupported_version', '{"user_id":7}', 3),
    ],
    1_048_576,
  );
  const notice = { channel: 'slack', key: 'k', reason: 'timeout', throughSequence: 3, atMs: Date.now() };
  await parkNotice(log.appender, { ...notice, payload: Buffer.from('{"channel":"slack"}') });
});
test.after(async () => {
  await log.close();
  await nats.stop();
});

function run(args: readonly string[], url = nats.url): Promise<Ended> {
  return runHere(['deadletters', ...args], { NATS_URL: url });
}

test('list tells what lies there, and nothing of what stood in it', async () => {
  const { status, stdout } = await run(['list', '--limit', '3']);
  assert.is(status, 0);
  assert.match(stdout, '4 in all, of which the newest 3 are listed');
  assert.match(stdout, 'invalid_json 2, notification_failed 1, unsupported_version 1');
  assert.match(stdout, /^3 +unsupported_version .* metrics\.events\.user\.user_login$/m);
  assert.not.match(stdout, 'ann@example.com');
});

test('list takes letters by reason, subject and time', async () => {
  const filters = [
    '--reason',
    'invalid_json',
    '--subject',
    'metrics.events.*.user_login',
    '--from',
    '-6h',
    '--to',
    '-270m',
  ];
  const { status, stdout } = await run(['list', '--json', ...filters]);
  assert.is(status, 0);
  const document = JSON.parse(stdout) as ListDocument;
  assert.equal(document.by_reason, { invalid_json: 1 });
  assert.equal(
    document.letters.map(({ sequence, kind, log_sequence, truncated }) => ({
      sequence,
      kind,
      log_sequence,
      truncated,
    })),
    [{ sequence: 1, kind: 'event', log_sequence: 1, truncated: false }],
  );
  assert.not.match(stdout, 'ann@example.com');
});

test('show has headers and payload, and keeps them from moving the cursor', async () => {
  const { status, stdout } = await run(['show', '1']);
  assert.is(status, 0);
  assert.match(stdout, 'ann@example.com \\u{1b}[2J\\u{202e}');
  assert.match(stdout, 'Metrics-Original-Id: id-1');
  const document = JSON.parse((await run(['show', '4', '--json'])).stdout) as ShowDocument;
  assert.equal([document.kind, document.detail, document.payload], ['notice', 'slack: timeout', '{"channel":"slack"}']);
  assert.is((await run(['show', '99'])).status, 1);
});

test('replay sends what decodes, and ends with 1 where something stays', async () => {
  const dry = await run(['replay', '--all', '--dry-run', '--json']);
  assert.is(dry.status, 1);
  const { replayed, stay } = JSON.parse(dry.stdout) as ReplayDocument;
  assert.is(replayed, 1);
  assert.equal(
    stay.map(({ sequence, reason }) => [sequence, reason]),
    [
      [1, 'invalid_json'],
      [2, 'invalid_json'],
      [4, 'is_a_notice'],
    ],
  );
  assert.is((await allLetters(log)).length, 4);
  const { status, stdout } = await run(['replay', '3']);
  assert.is(status, 0);
  assert.match(stdout, 'replayed 1, stay 0');
  const stored = await log.manager.streams.getMessage('METRICS', { seq: 1 });
  const { id, user_id } = JSON.parse(Buffer.from(stored.data).toString()) as Record<string, unknown>;
  assert.equal([stored.subject, id, user_id], [LOGIN, 'id-3', 7]);
});

test('drop removes letters, and only with --yes', async () => {
  const asked = await run(['drop', '--reason', 'invalid_json']);
  assert.is(asked.status, 2);
  assert.match(asked.stderr, 'would remove 2 dead letters');
  assert.is((await allLetters(log)).length, 3);
  assert.match((await run(['drop', '--reason', 'invalid_json', '--yes'])).stdout, 'dropped 2');
  assert.equal(
    (await allLetters(log)).map(({ reason }) => reason),
    ['notification_failed'],
  );
});

test('nothing is taken for everything, and what is wrong is told', async () => {
  const wrong = [
    ['drop', '--yes'],
    ['replay', '1', '--all'],
    ['replay', 'x'],
    ['list', '--limit', '0'],
    ['list', '--from', 'noon'],
  ];
  for (const args of wrong) assert.is((await run(args)).status, 2, args.join(' '));
  assert.is((await run(['list'], `nats://127.0.0.1:${await freePort()}`)).status, 3);
});

test.run();
