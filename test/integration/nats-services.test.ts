import { connect, type NatsConnection } from 'nats';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { foldInstances, MAX_NATS_SERVICES, toRequests } from '../../src/projections/nats-services.js';
import type { ServiceHealth, ServicesHealth } from '../../src/queries/services-health.js';
import { askServiceStats, parseStats } from '../../src/stream/service-stats.js';
import { waitFor } from '../support/servers.js';
import { startTestService, type TestService } from '../support/service.js';

const NEVER = new AbortController().signal;
const TYPE = 'io.nats.micro.v1.stats_response';

const test = suite('NATS services');
const context: { service?: TestService; nats?: NatsConnection } = {};
function need<K extends keyof typeof context>(key: K): NonNullable<(typeof context)[K]> {
  const value = context[key];
  if (value === undefined) throw new Error(`${key} is not opened`);
  return value;
}
test.before(async () => {
  context.service = await startTestService({ METRICS_AGGREGATION_INTERVAL: '50' });
  context.nats = await connect({ servers: context.service.servers.nats.url });
});
test.after(async () => {
  await context.nats?.close();
  await context.service?.stop();
});

/** Runs one instance that fails at `fail` and answers all else with itself. */
async function addInstance(name: string): Promise<{ stop: () => Promise<unknown> }> {
  const instance = await need('nats').services.add({ name, version: '1.0.0' });
  instance.addEndpoint('echo', {
    subject: `${name}.echo`,
    handler: (error, message) => {
      if (error !== null || message.string() === 'fail') throw new Error('as asked');
      message.respond(message.data);
    },
  });
  return { stop: () => instance.stop() };
}

async function healthOf(name: string): Promise<ServiceHealth | undefined> {
  const answer = (await need('service').client.get('/metrics/services/health')).json() as ServicesHealth;
  return answer.services.find(({ service_name }) => service_name === name);
}

test('are found by themselves, with what they say, from Redis and in the log', async () => {
  const instances = [await addInstance('greeter'), await addInstance('greeter')];
  for (let index = 0; index < 10; index += 1) {
    await need('nats').request('greeter.echo', index < 2 ? 'fail' : 'hello', { timeout: 2_000 });
  }
  // A round is asked every ten seconds.
  const found = await waitFor(
    'the service with its requests',
    async () => {
      const health = await healthOf('greeter');
      return health?.nats?.requests === 10 ? health : undefined;
    },
    25_000,
  );
  assert.equal(found.sources, ['nats']);
  assert.equal([found.nats?.instances, found.nats?.errors], [2, 2]);
  assert.ok((found.nats?.average_processing_time_ms ?? -1) >= 0);
  assert.equal(
    [found.status, found.reasons],
    ['degraded', ['error rate 0.2000 on NATS since its start is above 0.05']],
  );
  for (const instance of instances) await instance.stop();
});

test('nobody there is nobody found, at once', async () => {
  assert.equal(await askServiceStats(need('nats'), NEVER), { instances: [], refused: 0 });
});

test('answers that are no answers, too large or too many are refused, and the asking ends', async () => {
  const hostile = await connect({ servers: need('service').servers.nats.url });
  const stats = (name: unknown, id: unknown, endpoints: unknown = []): string =>
    JSON.stringify({ type: TYPE, name, id, version: '1.0.0', endpoints });
  const good = stats('fine', 'one', [{ num_requests: 3, num_errors: 1, processing_time: 6e6 }]);
  const garbage = [
    '',
    'no json',
    '['.repeat(60_000),
    'null',
    '[]',
    '{}',
    stats(7, 'x'),
    stats('x', 'y'.repeat(101)),
    stats('x', 'y', 'none'),
    stats('x', 'y', [{ num_requests: -1 }]),
    stats('x', 'y', [{ num_requests: 1e300 }]),
    stats(
      'x',
      'y',
      Array.from({ length: 501 }, () => ({})),
    ),
    stats('x', 'y', [{ name: 'z'.repeat(70_000) }]),
  ];
  const many = Array.from({ length: 3_000 }, (_, index) => stats(`many-${index}`, 'i'));
  const answers = [...garbage, good, good, ...many].map((text) => Buffer.from(text));
  hostile.subscribe('$SRV.STATS', {
    callback: (_error, message) => {
      for (const answer of answers) message.respond(answer);
    },
  });
  await hostile.flush();
  const { instances, refused } = await askServiceStats(need('nats'), NEVER, 20_000);
  assert.is(refused, garbage.length);
  assert.equal(instances[0], { name: 'fine', id: 'one', requests: 3, errors: 1, processingTimeNs: 6e6 });
  assert.is(instances.length, 2_000 - garbage.length - 1);
  assert.is(foldInstances(instances).services.length, MAX_NATS_SERVICES);
  await hostile.close();
});

test('instances of a service are added up, the mean weighted by requests', () => {
  const instance = (name: string, id: string, requests: number, processingTimeNs: number) => ({
    name,
    id,
    requests,
    errors: 1,
    processingTimeNs,
  });
  const { services, leftOut } = foldInstances([
    instance('b', '1', 30, 60e6),
    instance('b', '2', 10, 100e6),
    instance('a', '1', 0, 0),
    instance('not a name', '1', 1, 1),
    instance('huge', '1', Number.MAX_SAFE_INTEGER, 0),
    instance('huge', '2', Number.MAX_SAFE_INTEGER, 0),
  ]);
  assert.equal(services, [
    { name: 'a', instances: 1, requests: 0, errors: 1, averageProcessingTimeMs: null },
    { name: 'b', instances: 2, requests: 40, errors: 2, averageProcessingTimeMs: 4 },
  ]);
  assert.equal(leftOut, ['huge', 'not a name']);
});

test('one round gives the same ids whoever appends it, and they fit', () => {
  const service = { name: 'n'.repeat(100), instances: 1, requests: 1, errors: 0, averageProcessingTimeMs: 0.5 };
  const ids = (askedAtMs: number): string[] => toRequests([service], 178_000_000, askedAtMs).map(({ id }) => id);
  assert.equal(ids(1), ids(2));
  assert.is(new Set(ids(1)).size, 4);
  assert.ok(ids(1).every((id) => id.length <= 128));
  assert.is(toRequests([{ ...service, averageProcessingTimeMs: null }], 1, 1).length, 3);
});

test('what some clients leave out is 0', () => {
  assert.equal(parseStats(JSON.stringify({ type: TYPE, name: 'a', id: 'b', endpoints: [{}] })), {
    name: 'a',
    id: 'b',
    requests: 0,
    errors: 0,
    processingTimeNs: 0,
  });
});

test.run();
