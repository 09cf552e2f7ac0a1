import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BodyBudget, Overload, type ShedReason } from '../../../src/http/overload.js';
import { waitFor } from '../../support/servers.js';

const test = suite('what is answered at a time');

interface Opened {
  readonly server: FastifyInstance;
  readonly overload: Overload;
  readonly shed: ShedReason[];
  /** Answers all that wait. */
  readonly answer: () => void;
  readonly ask: (path: string, signal?: AbortSignal) => Promise<Response>;
}

/** A server whose /metrics/wait is answered when told. */
async function open(maxInFlight: number, maxEventLoopDelayMs: number): Promise<Opened> {
  const shed: ShedReason[] = [];
  const waiting: (() => void)[] = [];
  const server = fastify({ forceCloseConnections: true });
  const overload = new Overload({ maxInFlight, maxEventLoopDelayMs }, (reason) => shed.push(reason));
  overload.guard(server);
  server.get('/metrics/wait', () => new Promise((resolve) => waiting.push(() => resolve('done'))));
  server.get('/metrics/quick', () => 'done');
  server.get('/health', () => 'ok');
  await server.listen({ port: 0, host: '127.0.0.1' });
  const url = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`;
  return {
    server,
    overload,
    shed,
    answer: () => {
      for (const resolve of waiting.splice(0)) resolve();
    },
    ask: (path, signal) => fetch(url + path, signal === undefined ? {} : { signal }),
  };
}

const inFlight = ({ overload }: Opened, count: number): Promise<true> =>
  waitFor(`${count} in flight`, () => (overload.inFlight === count ? true : undefined));

test('past the bound the answer is 503 with Retry-After, health is answered, and afterwards all is', async () => {
  const opened = await open(3, 60_000);
  try {
    const waiting = [1, 2, 3].map(() => opened.ask('/metrics/wait'));
    await inFlight(opened, 3);
    const refused = await opened.ask('/metrics/quick');
    assert.equal([refused.status, refused.headers.get('retry-after')], [503, '1']);
    assert.match(await refused.text(), /urn:metrics-service:problem:overloaded/);
    assert.is((await opened.ask('/health')).status, 200);
    assert.equal(opened.shed, ['in_flight']);
    opened.answer();
    for (const answer of await Promise.all(waiting)) assert.is(answer.status, 200);
    await inFlight(opened, 0);
    assert.is((await opened.ask('/metrics/quick')).status, 200);
  } finally {
    await opened.server.close();
  }
});

test('who goes away before the answer gives the place back', async () => {
  const opened = await open(1, 60_000);
  try {
    const gone = new AbortController();
    const asked = opened.ask('/metrics/wait', gone.signal).catch((error: Error) => error.name);
    await inFlight(opened, 1);
    gone.abort();
    assert.is(await asked, 'AbortError');
    await inFlight(opened, 0);
  } finally {
    await opened.server.close();
  }
});

test('while the event loop is late the answer is 503, and when it is not any more it is not', async () => {
  const opened = await open(100, 50);
  try {
    const refused = await waitFor('a refusal', async () => {
      const endMs = performance.now() + 300;
      while (performance.now() < endMs);
      const answer = await opened.ask('/metrics/quick');
      return answer.status === 503 ? answer : undefined;
    });
    assert.is(refused.headers.get('retry-after'), '1');
    assert.ok(opened.shed.every((reason) => reason === 'event_loop'));
    await waitFor('an answer', async () => ((await opened.ask('/metrics/quick')).status === 200 ? true : undefined));
  } finally {
    await opened.server.close();
  }
});

test('bodies of batches take no more together than they may', () => {
  const shed: ShedReason[] = [];
  const budget = new BodyBudget(100, (reason) => shed.push(reason));
  const [one, other] = [budget.open(), budget.open()];
  assert.equal([one.add(60), other.add(41), other.add(40), one.add(1)], [true, false, true, false]);
  one.release();
  one.release();
  assert.is(budget.heldBytes, 40);
  assert.equal(shed, ['batches', 'batches']);
});

test.run();
