import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import { Appender, type AppendResult } from '../../src/stream/append.js';
import { ensureStreams } from '../../src/stream/streams.js';
import { ids, openLog, STREAM_SETTINGS, type TestLog } from '../support/log.js';
import { startTestNats, waitFor } from '../support/servers.js';

const context: { nats?: ManagedServer; log?: TestLog } = {};
const test = suite('appender');

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

const SUBJECT = 'metrics.events.user.user_login';
const BODY = Buffer.from('{}');

test('an append is answered with its sequence, and a repeat is known as one', async () => {
  const first = await log().appender.append(SUBJECT, BODY, 'a');
  const second = await log().appender.append(SUBJECT, BODY, 'b');
  const repeat = await log().appender.append(SUBJECT, BODY, 'a');
  assert.equal(first, { kind: 'stored', stream: 'METRICS', sequence: 1, duplicate: false });
  assert.equal(second, { kind: 'stored', stream: 'METRICS', sequence: 2, duplicate: false });
  assert.equal(repeat, { kind: 'stored', stream: 'METRICS', sequence: 1, duplicate: true });
});

test('a batch keeps its order and counts its repeats', async () => {
  const requests = ids(5_000).map((id) => ({ id, subject: SUBJECT, payload: Buffer.from(JSON.stringify({ id })) }));
  assert.equal(await log().appender.appendAll(requests), { kind: 'stored', accepted: 5_000, duplicates: 0 });
  const again = await log().appender.appendAll([
    ...requests.slice(0, 10),
    { id: 'new', subject: SUBJECT, payload: BODY },
  ]);
  assert.equal(again, { kind: 'stored', accepted: 1, duplicates: 10 });
  for (const sequence of [1, 2_500, 5_000]) {
    const stored = await log().manager.streams.getMessage('METRICS', { seq: sequence });
    assert.is(stored.header.get('Nats-Msg-Id'), `e-${sequence - 1}`);
  }
  assert.equal(await log().appender.appendAll([]), { kind: 'stored', accepted: 0, duplicates: 0 });
});

test('past the bound in flight an append is refused at once', async () => {
  const { connection, watch } = log();
  const small = new Appender(connection, watch, { maxInFlight: 10, maxInFlightBytes: 1_000, ackTimeoutMs: 2_000 });
  const results = await Promise.all(ids(30).map((id) => small.append(SUBJECT, BODY, id)));
  assert.is(results.filter((result) => result.kind === 'stored').length, 10);
  const refused = results.filter((result) => result.kind === 'unavailable');
  assert.ok(refused.every((result) => result.kind === 'unavailable' && result.reason === 'too_many_in_flight'));
  const large = await small.append(SUBJECT, Buffer.alloc(1_001, ' '), 'large');
  assert.is(reason(large), 'too_many_in_flight');
  assert.is(
    reason(await small.appendAll([{ id: 'l', subject: SUBJECT, payload: Buffer.alloc(1_001) }])),
    'too_many_in_flight',
  );
  assert.is(small.inFlight, 0);
  small.close();
});

test('a batch and single appends share the places in flight', async () => {
  const { connection, watch } = log();
  const small = new Appender(connection, watch, { maxInFlight: 10, maxInFlightBytes: 1_000, ackTimeoutMs: 2_000 });
  const batch = small.appendAll(ids(500, 'batch').map((id) => ({ id, subject: SUBJECT, payload: BODY })));
  const singles = await Promise.all(ids(5, 'single').map((id) => small.append(SUBJECT, BODY, id)));
  assert.ok(singles.every((result) => result.kind === 'stored'));
  assert.equal(await batch, { kind: 'stored', accepted: 500, duplicates: 0 });
  small.close();
});

test('without an acknowledgement the answer is no_acknowledgement', async () => {
  const { connection, watch } = log();
  connection.subscribe('deaf.subject', { callback: () => undefined });
  const impatient = new Appender(connection, watch, { maxInFlight: 10, maxInFlightBytes: 1_000, ackTimeoutMs: 100 });
  assert.is(reason(await impatient.append('deaf.subject', BODY, 'a')), 'no_acknowledgement');
  assert.is(impatient.inFlight, 0);
  impatient.close();
});

test('an id that is no header takes no place in flight', async () => {
  try {
    await log().appender.append(SUBJECT, BODY, 'a\r\nb');
    assert.unreachable();
  } catch {
    assert.is(log().appender.inFlight, 0);
  }
});

test('where no stream takes the subject the answer is stream_missing', async () => {
  assert.is(reason(await log().appender.append('nobody.listens', BODY, 'a')), 'stream_missing');
});

test('a full stream refuses the new event and keeps the old ones', async () => {
  await log().manager.streams.delete('METRICS');
  await ensureStreams(log().manager, { ...STREAM_SETTINGS, maxBytes: 2_000 });
  const results: AppendResult[] = [];
  for (const id of ids(30)) results.push(await log().appender.append(SUBJECT, Buffer.alloc(100, ' '), id));
  const stored = results.filter((result) => result.kind === 'stored').length;
  assert.ok(stored > 0 && stored < 30, `${stored} were stored`);
  assert.is(reason(results.at(-1)), 'stream_full');
  const { state } = await log().manager.streams.info('METRICS');
  assert.equal([state.first_seq, state.messages], [1, stored]);
});

test('a batch that fails half-way says so, and may be sent again', async () => {
  await log().manager.streams.delete('METRICS');
  await ensureStreams(log().manager, { ...STREAM_SETTINGS, maxBytes: 2_000 });
  const requests = ids(3_000).map((id) => ({ id, subject: SUBJECT, payload: Buffer.alloc(100, ' ') }));
  assert.is(reason(await log().appender.appendAll(requests)), 'stream_full');
  assert.is(log().appender.inFlight, 0);
});

test('when the server dies everything in flight is answered, and appending goes on after its return', async () => {
  const nats = context.nats;
  if (nats === undefined) throw new Error('not started');
  nats.signal('SIGSTOP');
  const waiting = Promise.all(ids(20, 'lost').map((id) => log().appender.append(SUBJECT, BODY, id)));
  await nats.kill();
  const lost = await waiting;
  assert.ok(lost.every((result) => ['disconnected', 'no_acknowledgement'].includes(reason(result))));
  await waitFor('the loss to be noticed', () => (log().watch.connected ? undefined : true));
  assert.is(reason(await log().appender.append(SUBJECT, BODY, 'away')), 'disconnected');
  assert.is(reason(await log().appender.appendAll([{ id: 'x', subject: SUBJECT, payload: BODY }])), 'disconnected');
  // Who would ask a server that is away waits for it; and no longer, where it is to stop.
  await log().watch.whenConnected(AbortSignal.abort());
  assert.is(log().watch.connected, false);
  const back = log().watch.whenConnected(AbortSignal.timeout(15_000));
  await nats.start();
  await back;
  assert.is(log().watch.connected, true);
  const result = await waitFor(
    'an append to be stored',
    async () => {
      const answer = await log().appender.append(SUBJECT, BODY, 'after');
      return answer.kind === 'stored' ? answer : undefined;
    },
    15_000,
  );
  assert.is(result.stream, 'METRICS');
});

test('after closing, what waits is answered and new appends are refused', async () => {
  const { connection, watch } = log();
  connection.subscribe('deaf.subject', { callback: () => undefined });
  const closing = new Appender(connection, watch);
  const waiting = closing.append('deaf.subject', BODY, 'a');
  closing.close();
  assert.is(reason(await waiting), 'no_acknowledgement');
  assert.is(reason(await closing.append(SUBJECT, BODY, 'b')), 'disconnected');
});

function reason(result: { kind: string; reason?: string } | undefined): string {
  return result?.kind === 'unavailable' && result.reason !== undefined ? result.reason : 'stored';
}

test.run();
