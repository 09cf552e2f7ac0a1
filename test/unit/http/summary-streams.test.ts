import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Problem } from '../../../src/http/problems.js';
import {
  SUMMARY_STREAMS_DEFAULTS,
  SummaryStreams,
  type SummaryStreamsOptions,
} from '../../../src/http/stream/summary-streams.js';
import type { Summary } from '../../../src/queries/summary.js';
import { QueryUnavailable } from '../../../src/queries/unavailable.js';
import { EventReader } from '../../support/event-stream.js';
import { waitFor } from '../../support/servers.js';

const test = suite('Streams of summaries');

/** A server with nothing but streams, and a summary that the test makes up. */
interface Stage {
  readonly url: string;
  readonly port: number;
  readonly streams: SummaryStreams;
  readonly asked: () => number;
  answer: () => unknown;
}

const opened = new Set<Server>();

test.after.each(() => {
  for (const server of opened) {
    server.closeAllConnections();
    server.close();
  }
  opened.clear();
});

async function stage(options: Partial<SummaryStreamsOptions> = {}): Promise<Stage> {
  let asked = 0;
  const streams = new SummaryStreams(
    () => {
      asked += 1;
      return Promise.resolve().then(() => staged.answer() as Summary);
    },
    pino({ level: 'silent' }),
    { ...SUMMARY_STREAMS_DEFAULTS, pollIntervalMs: 20, ...options },
  );
  const server = createServer((request, response) => {
    try {
      streams.admit();
    } catch (error) {
      assert.instance(error, Problem);
      response.writeHead((error as Problem).status, { ...(error as Problem).headers }).end();
      return;
    }
    const lastEventId = request.headers['last-event-id'];
    streams.open(response, {
      window: '24h',
      lastEventId: typeof lastEventId === 'string' ? lastEventId : undefined,
      lifetimeMs: 60_000,
    });
  });
  opened.add(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const staged: Stage = {
    url: `http://127.0.0.1:${port}`,
    port,
    streams,
    asked: () => asked,
    answer: () => ({ n: 1 }),
  };
  return staged;
}

test('a heartbeat comes while nothing changes', async () => {
  const { url } = await stage({ heartbeatIntervalMs: 20 });
  const reader = await EventReader.open(url);
  await waitFor('three heartbeats', () => (reader.comments.length >= 3 ? true : undefined));
  assert.equal([...new Set(reader.comments)], ['heartbeat']);
  assert.is(reader.events.length, 1);
});

test('many clients cost one computation at a time, and none when they have gone', async () => {
  const on = await stage();
  const readers = await Promise.all(Array.from({ length: 50 }, () => EventReader.open(on.url)));
  await Promise.all(readers.map((reader) => reader.at(0)));
  const before = on.asked();
  on.answer = () => ({ n: 2 });
  await Promise.all(readers.map((reader) => reader.at(1)));
  assert.ok(on.asked() - before < 40, `${on.asked() - before} computations for one change`);
  for (const reader of readers) reader.close();
  await waitFor('no stream', () => (on.streams.size === 0 ? true : undefined));
  const last = await waitFor('no further computation', async () => {
    const asked = on.asked();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return on.asked() === asked ? asked : undefined;
  });
  on.answer = () => ({ n: 3 });
  const late = await EventReader.open(on.url);
  assert.is((await late.at(0)).data, '{"n":3}', 'nobody is told what was true when the last client left');
  assert.ok(on.asked() > last);
});

test('changes by the clock alone are not sent', async () => {
  const on = await stage();
  let clock = 0;
  on.answer = () => ({ generated_at: `${++clock}`, api: { requests: 1, request_rate: 1 / clock } });
  const reader = await EventReader.open(on.url);
  await reader.at(0);
  const asked = on.asked();
  await waitFor('five more computations', () => (on.asked() >= asked + 5 ? true : undefined));
  assert.is(reader.events.length, 1);
});

test('a failure is told once, and the summary comes again when it can be had', async () => {
  const on = await stage();
  on.answer = () => {
    throw new QueryUnavailable('away');
  };
  const reader = await EventReader.open(on.url);
  const failure = await reader.at(0);
  assert.is(failure.event, 'unavailable');
  assert.is(failure.id, undefined, 'Last-Event-ID stays what it was');
  assert.is((JSON.parse(failure.data) as { type: string }).type, 'urn:metrics-service:problem:data_unavailable');
  const asked = on.asked();
  await waitFor('three more failures', () => (on.asked() >= asked + 3 ? true : undefined));
  on.answer = () => ({ n: 1 });
  assert.is((await reader.at(1)).event, 'summary');
  assert.is(reader.events.length, 2);
  on.answer = () => {
    throw new Error('a mistake of ours');
  };
  assert.match((await reader.at(2)).data, /internal_error/);
});

test('past the limit a stream is refused until another has ended', async () => {
  const on = await stage({ maxStreams: 2 });
  const readers = await Promise.all([EventReader.open(on.url), EventReader.open(on.url)]);
  const refused = await fetch(on.url);
  assert.is(refused.status, 503);
  assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/);
  readers[0]?.close();
  await waitFor('room for one', () => (on.streams.size < 2 ? true : undefined));
  assert.is((await EventReader.open(on.url)).response.status, 200);
});

/** A client that asks for a stream and then reads nothing. */
async function openUnread(on: Stage): Promise<Socket> {
  const socket = connect(on.port, '127.0.0.1');
  socket.pause();
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await waitFor('the stream', () => (on.streams.size === 1 ? true : undefined));
  return socket;
}

const filler = 'x'.repeat(200_000);

test('a client that does not read gets only the last state', async () => {
  const on = await stage({ heartbeatIntervalMs: 20, slowClientTimeoutMs: 120_000, pollIntervalMs: 1 });
  let n = 0;
  on.answer = () => ({ n: ++n, filler });
  const before = process.memoryUsage().arrayBuffers;
  const socket = await openUnread(on);
  await waitFor('200 states', () => (n >= 200 ? true : undefined), 60_000);
  const heldMiB = (process.memoryUsage().arrayBuffers - before) / 2 ** 20;
  assert.ok(heldMiB < 25, `${heldMiB.toFixed(1)} MiB of the 40 that were computed`);
  assert.is(on.streams.size, 1, 'it was open all the while');
  socket.destroy();
});

test('a client that does not read, and goes on so, is cut off', async () => {
  const on = await stage({ heartbeatIntervalMs: 20, slowClientTimeoutMs: 2_000, pollIntervalMs: 20 });
  let n = 0;
  on.answer = () => ({ n: ++n, filler });
  const socket = await openUnread(on);
  await waitFor('the cut', () => (on.streams.size === 0 ? true : undefined), 30_000);
  socket.destroy();
});

test('a client that reads late goes on with the newest state', async () => {
  const on = await stage({ pollIntervalMs: 1 });
  let n = 0;
  on.answer = () => ({ n: Math.min(++n, 100), filler });
  const socket = await openUnread(on);
  await waitFor('100 states', () => (n >= 100 ? true : undefined), 30_000);
  let text = '';
  socket
    .resume()
    .setEncoding('utf8')
    .on('data', (chunk: string) => {
      text += chunk;
    });
  await waitFor('the newest state', () => (text.includes('"n":100,') ? true : undefined));
  const received = [...text.matchAll(/"n":(\d+)/g)].map(([, value]) => Number(value));
  assert.ok(received.length < 100, `${received.length} states were sent`);
  assert.equal(
    received,
    [...received].sort((a, b) => a - b),
  );
  socket.destroy();
});

test('after the stop nothing begins', async () => {
  const on = await stage();
  const reader = await EventReader.open(on.url);
  await reader.at(0);
  on.streams.onModuleDestroy();
  await waitFor('the end', () => (reader.hasEnded ? true : undefined));
  assert.is((await fetch(on.url)).status, 503);
});

test.run();
