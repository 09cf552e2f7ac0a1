import { headers } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import { type CodecOptions, decodeMessage } from '../../src/events/codec.js';
import { parkDeadLetters } from '../../src/stream/dead-letters.js';
import { parkNotice } from '../../src/stream/dead-notices.js';
import { readMessage } from '../../src/stream/read-message.js';
import type { ReplayParts } from '../../src/stream/replay-letters.js';
import { openStore, type TestStore } from '../support/database.js';
import { allLetters, replay } from '../support/letters.js';
import { openLog, type TestLog } from '../support/log.js';
import { codec, message } from '../support/messages.js';
import { newProjector, untilProjected } from '../support/projection.js';
import { startTestNats } from '../support/servers.js';
import { LATER_UPCASTS } from '../support/upcasts.js';

const context: { nats?: ManagedServer; log?: TestLog; store?: TestStore } = {};
const test = suite('replaying dead letters');
const LOGIN = 'metrics.events.user.user_login';
const MAX_PAYLOAD = 1_048_576;
const LATER: CodecOptions = { ...codec({ subject: 'devices.>' }), upcasts: LATER_UPCASTS };

function opened(): { log: TestLog; store: TestStore } {
  if (context.log === undefined || context.store === undefined) throw new Error('not opened');
  return { log: context.log, store: context.store };
}

test.before.each(async () => {
  context.nats ??= await startTestNats();
  context.log = await openLog(context.nats.url, { streams: { foreignSubjects: ['devices.>'] } });
  context.store = await openStore();
});
test.after.each(async () => {
  const { log, store } = opened();
  // Of the next test the log is another one; streams that deny to be emptied can be deleted.
  for (const stream of ['METRICS', 'METRICS_DEADLETTERS']) await log.manager.streams.delete(stream);
  await log.close();
  await store.close();
});
test.after(async () => {
  await context.nats?.stop();
});

function parts(options: CodecOptions = LATER): ReplayParts {
  const decode: ReplayParts['decode'] = (each) => decodeMessage(each, options);
  return { ...opened().log, decode, upcasts: LATER_UPCASTS, now: Date.now };
}

async function publish(subject: string, body: unknown, id?: string): Promise<number> {
  const data = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const request = id === undefined ? { subject, payload: data } : { subject, payload: data, id };
  const { manager, appender } = opened().log;
  const stored = await appender.appendAll([request]);
  if (stored.kind !== 'stored') throw new Error(stored.reason);
  return (await manager.streams.info('METRICS')).state.last_seq;
}

async function project(options: CodecOptions): Promise<void> {
  const { log, store } = opened();
  const projector = newProjector(log, store, { codec: options });
  projector.start();
  await untilProjected(log, store);
  await projector.stop();
}

/** [id, user, time] of each row, and how often it is counted. */
async function rows(): Promise<unknown[]> {
  const { rows: found } = await opened().store.pool.query<{ event_id: string; user_id: number; created_at: Date }>(
    'select event_id, user_id, created_at from user_events order by stream_seq',
  );
  return found.map(({ event_id: id, user_id: user, created_at: at }) => [id, user, at.getTime()]);
}

test('brings in what a later decoder takes, with its id and its time, once, and within the window of its id', async () => {
  const { log } = opened();
  const atMs = Date.now() - 3_600_000;
  const occurred_at = new Date(atMs).toISOString();
  await publish(LOGIN, { schema_version: 2, user_id: 1, occurred_at }, 'with-id');
  const place = await publish(LOGIN, { schema_version: 2, user_id: 2 });
  const strange = await publish('devices.new', { any: 'thing' }, 'a-device');
  await publish(LOGIN, 'no JSON', 'broken');
  await project(codec());
  assert.equal(await rows(), []);
  const letters = await allLetters(log);
  assert.equal(
    letters.map(({ reason, logSequence }) => [reason, logSequence]),
    [
      ['unsupported_version', 1],
      ['unsupported_version', place],
      ['unknown_subject', strange],
      ['invalid_json', 4],
    ],
  );
  const sequences = letters.map(({ sequence }) => sequence);
  const expected = { 1: 'replayed', 2: 'replayed', 3: 'replayed', 4: 'invalid_json' };
  assert.equal(await replay(parts(), sequences, true), expected);
  assert.is((await allLetters(log)).length, 4, 'a dry run changes nothing');
  assert.equal(await replay(parts(), sequences), expected);
  assert.equal(await replay(parts(), sequences), {
    1: 'no_such_letter',
    2: 'no_such_letter',
    3: 'no_such_letter',
    4: 'invalid_json',
  });
  await project(LATER);
  const storedAtMs = async (sequence: number) => (await readMessage(log.manager, 'METRICS', sequence))?.storedAtMs;
  const brought = [
    ['with-id', 1, atMs],
    [`METRICS:${place}`, 2, await storedAtMs(place)],
    ['a-device', null, await storedAtMs(strange)],
  ];
  assert.equal(await rows(), brought);
  assert.equal(
    (await allLetters(log)).map(({ reason }) => reason),
    ['invalid_json'],
  );

  // Folded from its beginning by the later decoder, the log has each of them twice, and the tables once.
  const { pool } = opened().store;
  await pool.query('truncate user_events, projection_checkpoints, summary_outbox, known_series');
  await project(LATER);
  assert.equal(await rows(), brought);
});

test('adds nothing where it died before it removed the letter', async () => {
  const { log, store } = opened();
  const sequence = await publish(LOGIN, { schema_version: 2, user_id: 1 }, 'again');
  await project(codec());
  const original = await readMessage(log.manager, 'METRICS', sequence);
  if (original === undefined) throw new Error('not stored');
  await replay(parts(), [1]);
  await project(LATER);
  const refusal = { reason: 'unsupported_version', errors: [] } as const;
  const { config } = await log.manager.streams.info('METRICS_DEADLETTERS');
  await log.manager.streams.delete('METRICS_DEADLETTERS');
  await log.manager.streams.add(config);
  await parkDeadLetters(log.appender, [{ message: original, refusal }], MAX_PAYLOAD);
  assert.equal(await replay(parts(), [1]), { 1: 'replayed' });
  await project(LATER);
  assert.equal(await rows(), [['again', 1, original.storedAtMs]]);
  const { rows: counted } = await store.pool.query<{ n: string }>(
    `select sum((delta -> 'events' ->> 'user_login')::int) as n from summary_outbox`,
  );
  assert.is(Number(counted[0]?.n), 1);
});

test('takes a message that the letter cut from METRICS', async () => {
  const { log } = opened();
  await publish(LOGIN, { schema_version: 2, user_id: 5, unknown: 'x'.repeat(1_047_000) }, 'large');
  await project(codec());
  const [letter] = await allLetters(log);
  assert.is(letter?.isTruncated, true);
  assert.equal(await replay(parts(), [1]), { 1: 'replayed' });
  await project(LATER);
  assert.equal((await rows()).length, 1);
});

test('leaves what cannot be brought in, each with its reason', async () => {
  const { log } = opened();
  const taken = await publish(LOGIN, { user_id: 1 }, 'valid');
  const refusal = { reason: 'unsupported_version', errors: [] } as const;
  const longAgoMs = Date.now() - 100 * 86_400_000;
  const letterOf = (sequence: number, storedAtMs: number, body: object, id?: string) => {
    const headersOf = id === undefined ? {} : { headers: { 'Nats-Msg-Id': id } };
    return { message: message(LOGIN, body, { sequence, storedAtMs, ...headersOf }), refusal };
  };
  const old = { ...letterOf(8, Date.now() - 1_000, {}, 'cut') };
  const cut = { ...old, message: { ...old.message, data: Buffer.alloc(MAX_PAYLOAD - 100, ' ') } };
  await parkDeadLetters(
    log.appender,
    [
      letterOf(taken, Date.now() - 5_000, { user_id: 1 }),
      letterOf(900, Date.now() - 5_000, { user_id: 1 }),
      letterOf(9, longAgoMs, { user_id: 1 }, 'old'),
      cut,
      letterOf(10, Date.now() - 5_000, { user_id: 1 }, 'é'),
    ],
    MAX_PAYLOAD,
  );
  const notice = { channel: 'slack', key: 'k', reason: 'timeout', throughSequence: 3, atMs: Date.now() };
  await parkNotice(log.appender, { ...notice, payload: Buffer.from('{}') });
  await log.appender.append('metrics.deadletter.strange', Buffer.from('x'), 'strange', headers());
  assert.equal(await replay(parts(), [1, 2, 3, 4, 5, 6, 7, 8]), {
    1: 'place_taken',
    2: 'place_taken',
    3: 'time_too_old',
    4: 'original_gone',
    5: 'original_gone',
    6: 'is_a_notice',
    7: 'not_a_letter',
    8: 'no_such_letter',
  });
  assert.is((await allLetters(log)).length, 7);
  assert.is((await log.manager.streams.info('METRICS')).state.messages, 1);
});

test('tells that METRICS takes no more, and leaves the letters where they are', async () => {
  const { log } = opened();
  await publish(LOGIN, { schema_version: 2, user_id: 1 }, 'full');
  await project(codec());
  const { config } = await log.manager.streams.info('METRICS');
  await log.manager.streams.update('METRICS', { ...config, max_msgs: 1 });
  await replay(parts(), [1]).then(
    () => assert.unreachable(),
    ({ message: text }: Error) => assert.is(text, 'stream_full'),
  );
  assert.is((await allLetters(log)).length, 1);
});

test.run();
