import { Redis } from 'ioredis';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SeededRandom } from '../support/random.js';
import { waitFor } from '../support/servers.js';
import { assertInvariant, openStage, type Stage } from './stage.js';
import { makeEvent, postBatch, publishToNats, type SentEvent } from './traffic.js';

const test = suite('State is lost while events arrive');

const ROUNDS = 10;
const EVENTS_PER_ROUND = 1_000;
const DELETIONS = 3;
/** The server says nothing of a deletion; the feed notices that its pulls are no longer answered. */
const CONSUMER_TIMEOUT_MS = 30_000;

let stage: Stage;
let redis: Redis;
let random: SeededRandom;
let made = 0;

test.before(async () => {
  random = SeededRandom.announced('lost state');
  stage = await openStage();
  redis = new Redis(stage.servers.redis.port, '127.0.0.1');
});

test.after(async () => {
  redis.disconnect();
  await stage.close();
});

function newEvents(count: number): SentEvent[] {
  return Array.from({ length: count }, () => makeEvent(random, `l-${made++}`, Date.now()));
}

/** Sends a round's events over both ways while `strike` happens in the middle of it. */
async function roundWith(strike: () => Promise<unknown>): Promise<void> {
  const half = EVENTS_PER_ROUND / 2;
  await Promise.all([
    publishToNats(stage.jetstream, stage.ledger, newEvents(half)),
    strike(),
    postBatch(stage.client, stage.ledger, newEvents(half)),
  ]);
}

test('Redis is emptied ten times', async () => {
  for (let round = 0; round < ROUNDS; round += 1) await roundWith(() => redis.flushall());
  await assertInvariant(stage);
});

test('Redis is emptied while nothing arrives, and is filled again', async () => {
  await redis.flushall();
  await waitFor('a summary from Redis', async () => {
    const { source } = (await stage.client.get('/metrics/summary')).json() as { source: string };
    return source === 'redis' ? true : undefined;
  });
  await assertInvariant(stage);
});

test('the durable consumer is deleted three times', async () => {
  const manager = await stage.connection.jetstreamManager();
  for (let round = 0; round < DELETIONS; round += 1) {
    await roundWith(async () => {
      // It may be away at this moment, because the last deletion is being made good.
      const there = () =>
        manager.consumers.info('METRICS', 'projector').then(
          () => true as const,
          () => undefined,
        );
      await waitFor('the consumer', there, CONSUMER_TIMEOUT_MS);
      assert.ok(await manager.consumers.delete('METRICS', 'projector'));
    });
  }
  await assertInvariant(stage);
});

test('each id is sent three times: one row, counted once', async () => {
  const events = newEvents(EVENTS_PER_ROUND);
  await publishToNats(stage.jetstream, stage.ledger, events);
  for (const _again of [1, 2]) {
    for (const { subject, body, id } of events) {
      const { duplicate } = await stage.jetstream.publish(subject, JSON.stringify(body), { msgID: id });
      assert.is(duplicate, true);
    }
  }
  // Without a Nats-Msg-Id JetStream knows nothing of the resend: only the tables do.
  await Promise.all(events.map(({ subject, body }) => stage.jetstream.publish(subject, JSON.stringify(body))));
  await assertInvariant(stage);
});

test('one poison event in a hundred is parked with its reason, and its neighbours are stored', async () => {
  const manager = await stage.connection.jetstreamManager();
  const before = (await manager.streams.info('METRICS_DEADLETTERS')).state.messages;
  const events = newEvents(EVENTS_PER_ROUND);
  const poison = ['', 'no json', '{"event_type":"other"}', '{"user_id":2147483648}', '{"metadata":{"x":"\\u0000"}}'];
  for (let start = 0; start < events.length; start += 100) {
    await publishToNats(stage.jetstream, stage.ledger, events.slice(start, start + 100));
    await stage.jetstream.publish('metrics.events.user.user_login', poison[(start / 100) % poison.length] ?? '');
  }
  await assertInvariant(stage);
  assert.is((await manager.streams.info('METRICS_DEADLETTERS')).state.messages - before, EVENTS_PER_ROUND / 100);
});

test.run();
