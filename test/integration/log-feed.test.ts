import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import { parseAckSubject } from '../../src/stream/ack-subject.js';
import { type FedMessage, FeedBroken, LogFeed } from '../../src/stream/log-feed.js';
import { appendUsers, ids, openLog, type TestLog } from '../support/log.js';
import { startTestNats, waitFor } from '../support/servers.js';

const context: { nats?: ManagedServer; log?: TestLog; feeds: LogFeed[] } = { feeds: [] };
const test = suite('log feed');

function log(): TestLog {
  if (context.log === undefined) throw new Error('not opened');
  return context.log;
}
async function openFeed(afterSequence = 0, pullSize = 500): Promise<LogFeed> {
  const { connection, watch, manager } = log();
  const feed = await LogFeed.open(connection, watch, manager, {
    stream: 'METRICS',
    durable: 'test',
    afterSequence,
    pullSize,
  });
  context.feeds.push(feed);
  return feed;
}
/** Takes and acknowledges until this many have come. */
async function takeAll(feed: LogFeed, count: number): Promise<FedMessage[]> {
  const taken: FedMessage[] = [];
  const deadlineMs = Date.now() + 15_000;
  while (taken.length < count && Date.now() < deadlineMs) {
    taken.push(...(await feed.take(200, 1_000)));
    const last = taken.at(-1);
    if (last !== undefined) feed.ack(last);
  }
  return taken;
}
async function breakReason(feed: LogFeed, boundMs = 20_000): Promise<string> {
  return await waitFor(
    'the feed to break',
    async () => {
      try {
        await feed.take(100, 100);
        return undefined;
      } catch (error) {
        if (error instanceof FeedBroken) return error.reason;
        throw error;
      }
    },
    boundMs,
  );
}

test.before.each(async () => {
  context.nats = await startTestNats();
  context.log = await openLog(context.nats.url);
  context.feeds = [];
});
test.after.each(async () => {
  for (const feed of context.feeds) feed.close();
  await context.log?.close();
  await context.nats?.stop();
});

test('every message comes once and in order, whatever the size of a pull', async () => {
  await appendUsers(log(), ids(3_000));
  const messages = await takeAll(await openFeed(0, 70), 3_000);
  assert.equal(
    messages.map(({ sequence }) => sequence),
    Array.from({ length: 3_000 }, (_, index) => index + 1),
  );
  assert.is(messages[41]?.header('nats-msg-id'), 'e-41');
  assert.is(messages[41]?.header('absent'), undefined);
  assert.is(messages[41]?.subject, 'metrics.events.user.user_login');
  const stored = await log().manager.streams.getMessage('METRICS', { seq: 42 });
  assert.is(messages[41]?.storedAtMs, stored.time.getTime());
});

test('a feed begins behind the sequence that it is given', async () => {
  await appendUsers(log(), ids(100));
  const messages = await takeAll(await openFeed(90), 10);
  assert.equal([messages.length, messages[0]?.sequence], [10, 91]);
});

test('messages that come later are delivered while the feed waits, and an idle feed stays whole', async () => {
  const feed = await openFeed();
  const idleUntilMs = Date.now() + 12_000;
  while (Date.now() < idleUntilMs) assert.equal(await feed.take(10, 500), []);
  const waiting = feed.take(10, 5_000);
  const startedMs = performance.now();
  await appendUsers(log(), ['late']);
  assert.is((await waiting)[0]?.sequence, 1);
  assert.ok(performance.now() - startedMs < 1_000, 'the wait ends with the message');
});

test('a feed that nobody takes from holds a bounded number of messages', async () => {
  await appendUsers(log(), ids(3_000));
  const feed = await openFeed(0, 100);
  await waitFor('the buffer to fill', () => (feed.buffered >= 100 ? true : undefined));
  await appendUsers(log(), ids(100, 'more'));
  assert.ok(feed.buffered <= 200, `${feed.buffered} are held`);
  assert.is((await takeAll(feed, 3_100)).length, 3_100);
});

test('a feed holds a bounded number of bytes, and large messages still come', async () => {
  const payload = Buffer.alloc(900_000, ' ');
  // A few at a time: all at once would not be acknowledged in their time on a busy machine.
  for (let part = 0; part < 15; part += 1) {
    const requests = ids(10, `part-${part}`).map((id) => ({ id, subject: 'metrics.events.user.large', payload }));
    assert.is((await log().appender.appendAll(requests)).kind, 'stored');
  }
  const feed = await openFeed(0, 5_000);
  let most = 0;
  let taken = 0;
  while (taken < 150) {
    await waitFor('messages', () => (feed.buffered > 0 ? true : undefined));
    await appendUsers(log(), [`tick-${taken}`]);
    most = Math.max(most, feed.buffered);
    taken += (await feed.take(10, 1_000)).filter(({ data }) => data.length === 900_000).length;
  }
  assert.ok(most * 0.9e6 < 80e6, `${most} messages of 0.9 MB were held`);
});

test('acknowledging a message acknowledges all before it', async () => {
  await appendUsers(log(), ids(1_000));
  await takeAll(await openFeed(), 1_000);
  await waitFor('the acknowledgement', async () => {
    const { ack_floor, num_ack_pending } = await log().manager.consumers.info('METRICS', 'test');
    return ack_floor.stream_seq === 1_000 && num_ack_pending === 0 ? true : undefined;
  });
});

test('a consumer that is deleted while running breaks the feed, and a new feed goes on', async () => {
  await appendUsers(log(), ids(10));
  const feed = await openFeed();
  assert.is((await takeAll(feed, 10)).length, 10);
  await log().manager.consumers.delete('METRICS', 'test');
  assert.is(await breakReason(feed), 'consumer_gone');
  await appendUsers(log(), ids(10, 'more'));
  assert.is((await takeAll(await openFeed(10), 10))[0]?.sequence, 11);
});

test('a stream that is deleted breaks the feed', async () => {
  const feed = await openFeed();
  await feed.take(1, 50);
  await log().manager.streams.delete('METRICS');
  assert.is(await breakReason(feed), 'consumer_gone');
});

test('when the server is killed the feed breaks, and a new one goes on after its return', async () => {
  await appendUsers(log(), ids(100));
  const feed = await openFeed();
  assert.is((await takeAll(feed, 100)).length, 100);
  await context.nats?.kill();
  assert.is(await breakReason(feed), 'disconnected');
  await context.nats?.start();
  await waitFor('the reconnect', () => (log().watch.connected ? true : undefined), 15_000);
  await appendUsers(log(), ids(5, 'after'));
  assert.is((await takeAll(await openFeed(100), 5))[0]?.sequence, 101);
});

test('a delivery that was lost on the way breaks the feed rather than being skipped', async () => {
  const feed = await openFeed();
  const { connection, manager } = log();
  await appendUsers(log(), ids(2));
  assert.is((await takeAll(feed, 2)).length, 2);
  // Somebody else pulls from the same consumer, so that one delivery is missing here.
  const inbox = 'thief.inbox';
  const stolen: number[] = [];
  connection.subscribe(inbox, { callback: (_error, message) => stolen.push(message.data.length) });
  await waitFor('the feed to be idle', async () => {
    const { num_waiting } = await manager.consumers.info('METRICS', 'test');
    return num_waiting === 1 ? true : undefined;
  });
  connection.publish('$JS.API.CONSUMER.MSG.NEXT.METRICS.test', '1', { reply: inbox });
  await connection.flush();
  await appendUsers(log(), ids(20, 'more'));
  assert.is(await breakReason(feed), 'gap_in_delivery');
  assert.is(stolen.length, 1);
});

test('a server that is stopped, its socket open, is noticed within 30 s', async () => {
  const feed = await openFeed();
  await feed.take(1, 50);
  context.nats?.signal('SIGSTOP');
  const startedMs = performance.now();
  const reason = await breakReason(feed, 30_000);
  context.nats?.signal('SIGCONT');
  assert.ok(['silent', 'disconnected'].includes(reason), reason);
  assert.ok(performance.now() - startedMs < 30_000);
});

test('a closed feed says so', async () => {
  const feed = await openFeed();
  const waiting = feed.take(1, 10_000);
  feed.close();
  try {
    await waiting;
    assert.unreachable();
  } catch (error) {
    assert.instance(error, FeedBroken);
  }
});

const ACK_SUBJECTS: readonly [what: string, subject: string][] = [
  ['as it is', '$JS.ACK.METRICS.projector.1.42.7.1764000000123456789.5'],
  ['with a domain', '$JS.ACK.hub.ACCOUNT.METRICS.projector.1.42.7.1764000000123456789.5.token'],
];
for (const [what, subject] of ACK_SUBJECTS) {
  test(`an acknowledgement's subject is read ${what}`, () => {
    assert.equal(parseAckSubject(subject), {
      sequence: 42,
      deliverySequence: 7,
      storedAtMs: 1_764_000_000_123,
      pending: 5,
    });
  });
}

test.run();
