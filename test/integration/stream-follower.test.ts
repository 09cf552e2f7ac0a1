import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import { StreamFollower } from '../../src/stream/stream-follower.js';
import { ensureStreams } from '../../src/stream/streams.js';
import { openLog, STREAM_SETTINGS, type TestLog } from '../support/log.js';
import { startTestNats, waitFor } from '../support/servers.js';

const test = suite('following a stream');
const STREAM = 'METRICS_ALERT_ACTIONS';
const BOUND_MS = 10_000;
const context: { nats?: ManagedServer; log?: TestLog } = {};

function log(): TestLog {
  if (context.log === undefined) throw new Error('not started');
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

async function append(...texts: string[]): Promise<number> {
  let last = 0;
  for (const text of texts) {
    const result = await log().appender.append('metrics.alert_action', Buffer.from(text), `${text}-${Math.random()}`);
    if (result.kind !== 'stored') throw new Error(result.reason);
    last = result.sequence;
  }
  return last;
}

function follow(onMessage?: (text: string) => void): {
  follower: StreamFollower;
  taken: string[];
  resets: () => number;
} {
  const taken: string[] = [];
  let resets = 0;
  const follower = new StreamFollower({
    ...log(),
    stream: STREAM,
    onMessage: ({ data }) => {
      const text = Buffer.from(data).toString();
      onMessage?.(text);
      taken.push(text);
    },
    onReset: () => {
      resets += 1;
      taken.length = 0;
    },
    onTrouble: () => undefined,
  });
  follower.start();
  return { follower, taken, resets: () => resets };
}

test('what was there and what comes is handed on once, in order', async () => {
  await append('a', 'b');
  const { follower, taken } = follow();
  assert.ok(await follower.caughtUp(BOUND_MS));
  assert.equal(taken, ['a', 'b']);
  assert.ok(await follower.reached(await append('c'), BOUND_MS));
  assert.equal(taken, ['a', 'b', 'c']);
  await follower.stop();
  assert.not.ok(await follower.reached(99, BOUND_MS));
});

test('an empty stream, and one whose last message was deleted, have an end', async () => {
  const empty = follow();
  assert.ok(await empty.follower.caughtUp(BOUND_MS));
  await empty.follower.stop();
  const last = await append('a', 'b', 'c');
  await log().manager.streams.deleteMessage(STREAM, last);
  const { follower, taken } = follow();
  assert.ok(await follower.caughtUp(BOUND_MS));
  assert.equal(taken, ['a', 'b']);
  await follower.stop();
});

test('through an outage of NATS it goes on where it was', async () => {
  const { follower, taken } = follow();
  await append('a');
  assert.ok(await follower.caughtUp(BOUND_MS));
  await context.nats?.kill('SIGKILL');
  await context.nats?.start();
  const sequence = await waitFor('a place in the stream', async () => append('b').catch(() => undefined), BOUND_MS);
  assert.ok(await follower.reached(sequence, BOUND_MS));
  assert.equal(taken, ['a', 'b']);
  await follower.stop();
});

test('a stream that was made anew is begun again', async () => {
  await append('a', 'b');
  const { follower, taken, resets } = follow();
  assert.ok(await follower.caughtUp(BOUND_MS));
  await log().manager.streams.delete(STREAM);
  await ensureStreams(log().manager, STREAM_SETTINGS);
  await append('c');
  await waitFor('the new one', () => (taken.includes('c') ? true : undefined), BOUND_MS);
  assert.equal([taken, resets()], [['c'], 1]);
  await follower.stop();
});

test('a message that cannot be taken does not keep the next from being taken', async () => {
  const { follower, taken } = follow((text) => {
    if (text === 'bad') throw new Error('bad');
  });
  assert.ok(await follower.reached(await append('a', 'bad', 'b'), BOUND_MS));
  assert.equal(taken, ['a', 'b']);
  await follower.stop();
});

test.run();
