import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type NatsConnection } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createPublisher, type DropNotice, type Publisher, type PublisherOptions } from '../../src/client/index.js';
import { type ManagedServer } from '../../src/devservices/index.js';
import { decodeMessage } from '../../src/events/codec.js';
import type { LogEvent } from '../../src/events/kinds.js';
import { readToEnd } from '../../src/stream/read-to-end.js';
import { ensureStreams } from '../../src/stream/streams.js';
import { openLog, STREAM_SETTINGS, type TestLog } from '../support/log.js';
import { codec } from '../support/messages.js';
import { startTestNats, waitFor } from '../support/servers.js';

const test = suite('the publisher, over NATS');

/** A machine that is busy with other tests acknowledges late; none of this is about how fast it is. */
const BOUND_MS = 60_000;
const PER_ROUND = 300;

let nats: ManagedServer;
let log: TestLog;
let connection: NatsConnection;
const open: Publisher[] = [];
const notices: DropNotice[] = [];

test.before(async () => {
  nats = await startTestNats();
  log = await openLog(nats.url);
  connection = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
});

test.after.each(async () => {
  await Promise.all(open.splice(0).map((publisher) => publisher.close(1)));
  notices.length = 0;
});

test.after(async () => {
  await connection.close();
  await log.close();
  await nats.stop();
});

function publisher(options: Partial<PublisherOptions> = {}): Publisher {
  const way = options.connection === undefined ? { servers: nats.url } : {};
  const onDropped = (notice: DropNotice): void => void notices.push(notice);
  const made = createPublisher({ service: 'billing', closeTimeoutMs: BOUND_MS, onDropped, ...way, ...options });
  open.push(made);
  return made;
}

/** What the service reads of this event type, or of this service. */
async function inTheLog(name: string): Promise<LogEvent[]> {
  const found: LogEvent[] = [];
  await log.watch.whenConnected(AbortSignal.timeout(BOUND_MS));
  await readToEnd(log, 'METRICS', (message) => {
    if (message.subject.split('.').at(-1) !== name) return;
    const decoded = decodeMessage(message, codec());
    if (!decoded.ok) throw new Error(JSON.stringify(decoded.refusal));
    found.push(decoded.value);
  });
  return found;
}

/** The numbers of the events of a type that the log has, in the order of their numbers. */
async function numbersInTheLog(eventType: string): Promise<number[]> {
  const numbers = (await inTheLog(eventType)).map(
    ({ kind, body }) => (kind === 'user' ? body.user_id : undefined) ?? -1,
  );
  return numbers.sort((a, b) => a - b);
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

test('events of each kind arrive, with the id and the time of the call', async () => {
  const sender = publisher();
  const beforeMs = Date.now();
  const metadata = { browser: 'chrome' };
  assert.ok(sender.user({ event_type: 'kinds', user_id: 1, metadata }));
  metadata.browser = 'changed later';
  assert.ok(sender.system({ service_name: 'kinds', metric_name: 'cpu_usage', value: 12.5 }));
  assert.ok(
    sender.api({ service_name: 'kinds', endpoint: '/pay', method: 'POST', status_code: 201, response_time_ms: 3.2 }),
  );
  const afterMs = Date.now();
  assert.is(await sender.flush(), true);
  const events = await inTheLog('kinds');
  assert.equal(
    events.map(({ kind, body: { occurred_at, ...body } }) => [kind, body]),
    [
      ['user', { event_type: 'kinds', user_id: 1, metadata: { browser: 'chrome' } }],
      ['system', { service_name: 'kinds', metric_name: 'cpu_usage', value: 12.5 }],
      ['api', { service_name: 'kinds', endpoint: '/pay', method: 'POST', status_code: 201, response_time_ms: 3.2 }],
    ],
  );
  for (const { id, occurredAtMs } of events) {
    assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.ok(occurredAtMs >= beforeMs && occurredAtMs <= afterMs);
  }
  assert.is(sender.stats().stored, 3);
  assert.equal(notices, []);
});

for (const way of ['a connection of its own', 'a connection of the program'] as const) {
  test(`over ${way}, what is sent while NATS is killed and started again arrives once each`, async () => {
    const eventType = way.replaceAll(' ', '_');
    const sender = publisher(way === 'a connection of the program' ? { connection } : {});
    let next = 0;
    for (let round = 0; round < 2; round += 1) {
      const publishRound = async (): Promise<void> => {
        for (const end = next + PER_ROUND; next < end; next += 1) {
          sender.user({ event_type: eventType, user_id: next });
          if (next % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        }
      };
      const publishing = publishRound();
      await waitFor(
        'the first to be stored',
        () => (sender.stats().stored > round * PER_ROUND ? true : undefined),
        BOUND_MS,
      );
      await nats.kill();
      await publishing;
      await waitFor('the loss to be noticed', () => sender.stats().trouble, BOUND_MS);
      await nats.start();
      assert.is(await sender.flush(), true);
    }
    assert.equal(await numbersInTheLog(eventType), upTo(next));
    const { stored, buffered, dropped } = sender.stats();
    assert.equal({ stored, buffered, dropped }, { stored: next, buffered: 0, dropped: {} });
  });
}

test('what is not acknowledged in time is sent again under its id, and counted once', async () => {
  const sender = publisher({ ackTimeoutMs: 100 });
  sender.user({ event_type: 'again', user_id: 0 });
  assert.is(await sender.flush(), true);
  nats.signal('SIGSTOP');
  try {
    for (let next = 1; next < 10; next += 1) sender.user({ event_type: 'again', user_id: next });
    await waitFor('trouble', () => (sender.stats().trouble === 'no_acknowledgement' ? true : undefined), BOUND_MS);
    await waitFor('the second sending', () => (sender.stats().inFlight > 0 ? true : undefined), BOUND_MS);
  } finally {
    nats.signal('SIGCONT');
  }
  assert.is(await sender.flush(), true);
  assert.ok(sender.stats().duplicates > 0);
  assert.equal(await numbersInTheLog('again'), upTo(10));
});

test('a publisher that is made while NATS is away keeps what fits, tells what does not, and sends it on return', async () => {
  await nats.kill();
  const oldest = publisher({ maxBufferedEvents: 10 });
  const newest = publisher({ maxBufferedEvents: 10, whenFull: 'drop_newest', onDropped: () => undefined });
  const isTaken = upTo(25).map((user_id) => {
    newest.user({ event_type: 'away_newest', user_id });
    return oldest.user({ event_type: 'away_oldest', user_id });
  });
  assert.ok(isTaken.every((each) => each));
  assert.is(newest.user({ event_type: 'away_newest' }), false);
  await waitFor('the notice', () => notices[0], BOUND_MS);
  assert.equal(notices, [{ dropped: { buffer_full: 15 }, totalDropped: 15, trouble: 'disconnected' }]);
  assert.is(await oldest.flush(1), false);
  await nats.start();
  assert.equal(await Promise.all([oldest.flush(), newest.flush()]), [true, true]);
  assert.equal(await numbersInTheLog('away_oldest'), upTo(25).slice(15));
  assert.equal(await numbersInTheLog('away_newest'), upTo(10));
});

test('a publisher that is made while the connection of the program is down sends nothing until it is back', async () => {
  const first = publisher({ connection });
  await nats.kill();
  await waitFor('the loss', () => (first.stats().trouble === 'disconnected' ? true : undefined), BOUND_MS);
  const later = publisher({ connection });
  later.user({ event_type: 'made_while_down', user_id: 0 });
  await waitFor('the next attempt', () => (later.stats().trouble === 'disconnected' ? true : undefined), BOUND_MS);
  assert.is(later.stats().inFlight, 0);
  await nats.start();
  assert.is(await later.flush(), true);
  assert.equal(await numbersInTheLog('made_while_down'), [0]);
});

test('where there is no stream yet, events wait for it', async () => {
  await log.manager.streams.delete('METRICS');
  const sender = publisher();
  sender.user({ event_type: 'early', user_id: 0 });
  await waitFor('trouble', () => (sender.stats().trouble === 'stream_missing' ? true : undefined), BOUND_MS);
  await ensureStreams(log.manager, STREAM_SETTINGS);
  assert.is(await sender.flush(), true);
  assert.equal(await numbersInTheLog('early'), [0]);
});

test('nothing that is published wrongly or too late throws; it is told by its reason', async () => {
  const sender = publisher();
  assert.is(sender.user({ event_type: 'no token' }), false);
  assert.is(sender.user({ event_type: 'large', metadata: { text: 'x'.repeat(70_000) } }), false);
  assert.is(await sender.close(), true);
  assert.is(sender.system({ metric_name: 'cpu_usage', value: 1 }), false);
  assert.is(await sender.close(), true);
  await waitFor('the last notice', () => notices.at(-1)?.totalDropped === 3 || undefined, BOUND_MS);
  assert.equal(sender.stats().dropped, { invalid_event: 1, event_too_large: 1, publisher_closed: 1 });
});

test('what the stream takes no message as large as is given up, and holds nothing else back', async () => {
  await log.manager.streams.update('METRICS', { max_msg_size: 1_000 });
  try {
    const sender = publisher();
    sender.user({ event_type: 'too_large', metadata: { text: 'x'.repeat(2_000) } });
    sender.user({ event_type: 'too_large', user_id: 0 });
    assert.is(await sender.flush(), false);
    const { stored, buffered, dropped } = sender.stats();
    assert.equal({ stored, buffered, dropped }, { stored: 1, buffered: 0, dropped: { event_too_large: 1 } });
  } finally {
    await log.manager.streams.update('METRICS', { max_msg_size: -1 });
  }
});

test('close gives up in time what nobody takes', async () => {
  await nats.kill();
  try {
    const sender = publisher();
    sender.user({ event_type: 'lost' });
    assert.is(await sender.close(50), false);
    assert.equal(notices.at(-1), {
      dropped: { not_acknowledged_at_close: 1 },
      totalDropped: 1,
      trouble: 'disconnected',
    });
  } finally {
    await nats.start();
  }
});

const BAD_OPTIONS: readonly { what: string; options: PublisherOptions }[] = [
  { what: 'no way to NATS', options: { service: 'billing' } },
  { what: 'a service that is no token', options: { service: 'a b', servers: 'localhost' } },
  { what: 'no address', options: { service: 'a', servers: 'nats://a b' } },
  { what: 'a password that is not encoded', options: { service: 'a', servers: 'nats://a:%zz@localhost' } },
  { what: 'a time that no timer waits', options: { service: 'a', servers: 'localhost', ackTimeoutMs: Infinity } },
  { what: 'a signal that nobody hears', options: { service: 'a', servers: 'localhost', flushOnSignals: ['SIGKILL'] } },
  { what: 'no room', options: { service: 'a', servers: 'localhost', maxBufferedEvents: 0 } },
];
for (const { what, options } of BAD_OPTIONS) {
  test(`options with ${what} are refused when the publisher is made`, () => {
    assert.throws(
      () => createPublisher(options),
      (error: unknown) => error instanceof TypeError,
    );
  });
}

/** A program that imports the client by its name, publishes, and does what `then` says. */
function program(eventType: string, then: string, options: Partial<PublisherOptions> = {}): ChildProcess {
  const all: Partial<PublisherOptions> = { service: 'script', servers: nats.url, batchIntervalMs: 60_000, ...options };
  const source = `import { createPublisher } from 'metrics-service/client';
    const publisher = createPublisher(${JSON.stringify(all)});
    for (let user_id = 0; user_id < 3; user_id += 1) publisher.user({ event_type: '${eventType}', user_id });
    ${then}`;
  return spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Its output, and how it ended. */
async function ended(child: ChildProcess): Promise<{ code: unknown; signal: unknown; stderr: string }> {
  let stderr = '';
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  const killer = setTimeout(() => child.kill('SIGKILL'), BOUND_MS);
  const [code, signal] = await once(child, 'close');
  clearTimeout(killer);
  return { code, signal, stderr };
}

test('a program that has nothing left to do sends what waits, and ends by itself', async () => {
  const [atOnce, later] = await Promise.all([
    ended(program('script', '')),
    // The connection has been open for a while then.
    ended(
      program('script_later', 'await publisher.flush(); publisher.user({ event_type: "script_later", user_id: 3 });'),
    ),
  ]);
  assert.equal(atOnce, { code: 0, signal: null, stderr: '' });
  assert.equal(later, { code: 0, signal: null, stderr: '' });
  assert.equal(await numbersInTheLog('script'), upTo(3));
  assert.equal(await numbersInTheLog('script_later'), upTo(4));
});

test('a program ends although NATS is away, and says what was lost', async () => {
  const { code, stderr } = await ended(program('nowhere', '', { servers: 'nats://127.0.0.1:1', closeTimeoutMs: 300 }));
  assert.is(code, 0);
  assert.match(stderr, /events dropped: 3 not_acknowledged_at_close \(disconnected\)/);
});

test('a signal sends what waits, if that is wished, and then ends the program as it would have', async () => {
  const child = program('on_signal', 'setInterval(() => undefined, 1_000); console.log("ready");', {
    flushOnSignals: ['SIGTERM'],
  });
  const end = ended(child);
  if (child.stdout !== null) await once(child.stdout, 'data');
  child.kill('SIGTERM');
  assert.equal(await end, { code: null, signal: 'SIGTERM', stderr: '' });
  assert.equal(await numbersInTheLog('on_signal'), upTo(3));
});

test('a program that listens to the signal once ends when it wants to', async () => {
  const then = `const alive = setInterval(() => undefined, 1_000);
    process.once('SIGTERM', () => {
      publisher.flush().then(() => setTimeout(() => { process.exitCode = 7; clearInterval(alive); }, 100));
    });
    console.log('ready');`;
  const child = program('once', then, { flushOnSignals: ['SIGTERM'] });
  const end = ended(child);
  if (child.stdout !== null) await once(child.stdout, 'data');
  child.kill('SIGTERM');
  assert.equal(await end, { code: 7, signal: null, stderr: '' });
  assert.equal(await numbersInTheLog('once'), upTo(3));
});

test('a program that listens to the signal itself ends when it wants to', async () => {
  const then = `process.on('SIGTERM', () => {
      const timer = setInterval(() => publisher.stats().stored === 3 && (clearInterval(timer), clearInterval(alive)), 10);
    });
    const alive = setInterval(() => undefined, 1_000);
    process.on('exit', () => { process.exitCode = 7; });
    console.log('ready');`;
  const child = program('own_signal', then, { flushOnSignals: ['SIGTERM'] });
  const end = ended(child);
  if (child.stdout !== null) await once(child.stdout, 'data');
  child.kill('SIGTERM');
  assert.equal(await end, { code: 7, signal: null, stderr: '' });
  assert.equal(await numbersInTheLog('own_signal'), upTo(3));
});

test.run();
