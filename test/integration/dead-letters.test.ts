import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import { parkDeadLetters } from '../../src/stream/dead-letters.js';
import { openLog, type TestLog } from '../support/log.js';
import { message, NOON_MS } from '../support/messages.js';
import { startTestNats } from '../support/servers.js';

const context: { nats?: ManagedServer; log?: TestLog } = {};
const test = suite('dead letters');
const MAX_PAYLOAD = 1_048_576;

function log(): TestLog {
  if (context.log === undefined) throw new Error('not opened');
  return context.log;
}
test.before.each(async () => {
  context.nats = await startTestNats();
  context.log = await openLog(context.nats.url);
});
test.after.each(async () => {
  await context.log?.close();
  await context.nats?.stop();
});

test('a dead letter keeps payload and headers, and tells reason, place and time', async () => {
  const original = message('metrics.events.user.user_login', '{"broken', {
    sequence: 12,
    headers: { 'Nats-Msg-Id': 'abc', 'Content-Type': 'application/json', 'ce-type': 'x\r\ny' },
  });
  const refusal = { reason: 'invalid_json', errors: [{ pointer: '', detail: 'é is\nnot valid' }] } as const;
  assert.ok(await parkDeadLetters(log().appender, [{ message: original, refusal }], MAX_PAYLOAD));
  const stored = await log().manager.streams.getMessage('METRICS_DEADLETTERS', { seq: 1 });
  assert.is(stored.subject, 'metrics.deadletter.invalid_json');
  assert.is(Buffer.from(stored.data).toString(), '{"broken');
  const header = (name: string): string => stored.header.get(name);
  assert.is(header('Metrics-Reason'), 'invalid_json');
  assert.is(header('Metrics-Detail'), '? is?not valid');
  assert.is(header('Metrics-Stream-Sequence'), '12');
  assert.is(header('Metrics-Subject'), 'metrics.events.user.user_login');
  assert.is(header('Metrics-Time'), new Date(NOON_MS).toISOString());
  assert.is(header('Metrics-Original-Id'), 'abc');
  assert.is(header('Content-Type'), 'application/json');
  assert.is(header('ce-type'), 'x??y');
  assert.is(header('Metrics-Truncated'), '');
});

test('parking the same message again adds nothing', async () => {
  const refusal = { reason: 'invalid_json', errors: [] } as const;
  const letters = [{ message: message('metrics.events.user.a', 'x', { sequence: 5 }), refusal }];
  assert.ok(await parkDeadLetters(log().appender, letters, MAX_PAYLOAD));
  assert.ok(await parkDeadLetters(log().appender, letters, MAX_PAYLOAD));
  assert.is((await log().manager.streams.info('METRICS_DEADLETTERS')).state.messages, 1);
});

test('the message of the same sequence in a stream that was made anew is another', async () => {
  const refusal = { reason: 'invalid_json', errors: [] } as const;
  for (const storedAtMs of [NOON_MS, NOON_MS + 1]) {
    const letter = { message: message('metrics.events.user.a', 'x', { sequence: 5, storedAtMs }), refusal };
    assert.ok(await parkDeadLetters(log().appender, [letter], MAX_PAYLOAD));
  }
  assert.is((await log().manager.streams.info('METRICS_DEADLETTERS')).state.messages, 2);
});

test('a message as large as the server takes is parked, cut to make room for the reason', async () => {
  const large = message('metrics.events.user.a', Buffer.alloc(MAX_PAYLOAD - 100, 'x'), { sequence: 6 });
  const refusal = { reason: 'invalid_json', errors: [{ pointer: '/a', detail: 'd'.repeat(5_000) }] } as const;
  assert.ok(await parkDeadLetters(log().appender, [{ message: large, refusal }], MAX_PAYLOAD));
  const stored = await log().manager.streams.getMessage('METRICS_DEADLETTERS', { seq: 1 });
  assert.is(stored.header.get('Metrics-Truncated'), 'true');
  assert.ok(stored.data.length > 1_000_000);
});

test('where the letters cannot be stored the answer is no', async () => {
  await log().manager.streams.delete('METRICS_DEADLETTERS');
  const refusal = { reason: 'invalid_json', errors: [] } as const;
  const letters = [{ message: message('metrics.events.user.a', 'x'), refusal }];
  assert.not.ok(await parkDeadLetters(log().appender, letters, MAX_PAYLOAD));
});

test.run();
