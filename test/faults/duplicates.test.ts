import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SeededRandom } from '../support/random.js';
import { waitFor } from '../support/servers.js';
import { startTestServers } from '../support/service.js';
import { assertInvariant, openStage, type Stage } from './stage.js';
import { makeEvent, type SentEvent } from './traffic.js';

const test = suite('Events that are sent again');

const EVENTS = process.env.METRICS_FAULTS === 'full' ? 20_000 : 2_000;
const EVENTS_PER_BATCH = 500;
const ACK_TIMEOUT_MS = 10_000;

/** One in five has no time of its own: its time is that at which it is stored, and another each time. */
function makeEvents(random: SeededRandom): SentEvent[] {
  return Array.from({ length: EVENTS }, (_, index) => {
    const event = makeEvent(random, `d-${index}`, Date.now());
    if (index % 5 !== 0) return event;
    const { occurred_at: _time, ...body } = event.body;
    return { ...event, body: { ...body, id: event.id } };
  });
}

/** Sends events over one way, all at once. @returns how many JetStream knew */
type Way = (stage: Stage, events: readonly SentEvent[]) => Promise<number>;

const overNats: Way = async ({ jetstream, ledger }, events) => {
  const acks = await Promise.all(
    events.map(async ({ id, subject, body }) => {
      const ack = await jetstream.publish(subject, JSON.stringify(body), { msgID: id, timeout: ACK_TIMEOUT_MS });
      ledger.acknowledge(id);
      return ack;
    }),
  );
  return acks.filter(({ duplicate }) => duplicate).length;
};

const overHttp: Way = async ({ client, ledger }, events) => {
  const answer = await client.post('/metrics/events/batch', { events: events.map(({ body }) => body) });
  assert.is(answer.status, 202, answer.text);
  for (const { id } of events) ledger.acknowledge(id);
  return (answer.json() as { duplicates: number }).duplicates;
};

async function sendAll(stage: Stage, events: readonly SentEvent[], ways: readonly Way[]): Promise<number> {
  let known = 0;
  for (let start = 0; start < events.length; start += EVENTS_PER_BATCH) {
    for (const way of ways) known += await way(stage, events.slice(start, start + EVENTS_PER_BATCH));
  }
  return known;
}

/** Waits until JetStream has forgotten every id that it has now. */
async function windowOver({ jetstream, ledger }: Stage): Promise<void> {
  const subject = 'metrics.events.user.probe';
  const publish = async () => await jetstream.publish(subject, JSON.stringify({ id: 'probe' }), { msgID: 'probe' });
  ledger.enter('probe', 'user_events');
  await publish();
  ledger.acknowledge('probe');
  await waitFor('the end of the deduplication window', async () => ((await publish()).duplicate ? undefined : true));
}

test(`fault 16: ${EVENTS} ids are sent three times, within the deduplication window and after it: one row each, counted once`, async () => {
  const random = SeededRandom.announced('duplicates');
  const servers = await startTestServers();
  const stage = await openStage({ ...servers, env: { ...servers.env, METRICS_DEDUP_WINDOW: '1' } });
  try {
    const events = makeEvents(random);
    for (const { id, table } of events) stage.ledger.enter(id, table);
    const within = await sendAll(stage, events, [overNats, overHttp]);
    assert.ok(within > 0, 'JetStream knew some');
    await windowOver(stage);
    const after = await sendAll(stage, events, [overNats]);
    assert.is(after, 0, 'JetStream knew none any more');
    const report = await assertInvariant(stage);
    assert.is(report.rows, EVENTS + 1);
    const manager = await stage.connection.jetstreamManager();
    const { messages } = (await manager.streams.info('METRICS')).state;
    console.log(
      `fault 16: sent ${3 * EVENTS} times; JetStream dropped ${within}, the tables ${messages - report.rows} of ${messages}: ${report.rows} rows`,
    );
  } finally {
    await stage.close();
  }
});

test.run();
