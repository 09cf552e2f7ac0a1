import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import { hasMessageFrom } from '../../src/stream/has-message.js';
import { LogFeed } from '../../src/stream/log-feed.js';
import { type PartRead, readToEnd } from '../../src/stream/read-to-end.js';
import { openLog, type TestLog } from '../support/log.js';
import { startTestNats } from '../support/servers.js';

const test = suite('reading a stream with deleted messages to its end');
const STREAM = 'METRICS_DEADLETTERS';
/** Some large, so that they lie in several files of the server: then it goes on counting some that were deleted. */
const LETTERS = 96;
let nats: ManagedServer;
let log: TestLog;

async function append(count: number, bytesOf: (index: number) => number): Promise<void> {
  const requests = Array.from({ length: count }, (_, index) => {
    return { subject: `metrics.deadletter.r${index % 7}`, payload: Buffer.alloc(bytesOf(index)) };
  });
  const result = await log.appender.appendAll(requests);
  if (result.kind !== 'stored') throw new Error(result.reason);
}
async function remove(from: number, count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, index) => log.manager.streams.deleteMessage(STREAM, from + index, false)),
  );
}
async function sequences(options: PartRead = {}): Promise<number[]> {
  const found: number[] = [];
  await readToEnd(log, STREAM, ({ sequence }) => found.push(sequence), options);
  return found;
}
const large = (index: number): number => (index % 10 === 3 ? 900_000 : 200);

test.before(async () => {
  nats = await startTestNats();
  log = await openLog(nats.url);
  await append(LETTERS, large);
  await append(1, () => 0);
  await remove(1, LETTERS);
  await append(LETTERS, large);
  await append(1, () => 0);
  await remove(LETTERS + 2, LETTERS);
});
test.after(async () => {
  await log.close();
  await nats.stop();
});

test('ends although the server says that more is to come', async () => {
  assert.equal(await sequences(), [LETTERS + 1, 2 * LETTERS + 2]);
  assert.equal(await sequences({ headersOnly: true }), [LETTERS + 1, 2 * LETTERS + 2]);
});

test('ends where nothing was stored since then', async () => {
  assert.equal(await sequences({ fromMs: Date.now() + 3_600_000 }), []);
});

test('ends where the last message was deleted', async () => {
  await append(3, () => 10);
  const { last_seq: last } = (await log.manager.streams.info(STREAM)).state;
  await remove(last, 1);
  assert.equal((await sequences()).at(-1), last - 1);
  assert.is(await hasMessageFrom(log.manager, STREAM, last - 1), true);
  assert.is(await hasMessageFrom(log.manager, STREAM, last), false);
});

test('a feed is not at its end while something is to be taken', async () => {
  const { connection, watch, manager } = log;
  const { feed } = await LogFeed.openFrom(connection, watch, manager, {
    stream: STREAM,
    afterSequence: 0,
    pullSize: 10,
  });
  assert.is(await feed.isAtEnd(manager), false);
  const taken: number[] = [];
  while (!(await feed.isAtEnd(manager))) taken.push(...(await feed.take(1, 1_000)).map(({ sequence }) => sequence));
  assert.is(taken.length, (await manager.streams.info(STREAM)).state.messages);
  await feed.remove(manager);
});

test.run();
