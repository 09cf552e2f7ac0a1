import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { waitFor } from '../../support/servers.js';
import { startTestServers, type TestClient, type TestServers } from '../../support/service.js';
import { ServiceProcess } from '../../support/service-process.js';

const test = suite('Two replicas');
const BOUND_MS = 30_000;

let servers: TestServers;
let replicas: ServiceProcess[] = [];
let clients: TestClient[] = [];

test.before(async () => {
  servers = await startTestServers();
  const first = await ServiceProcess.create({ ...servers.env, ROLE: 'api,projector' });
  await first.start();
  // Another time zone must make no difference.
  const second = await ServiceProcess.create({ ...servers.env, ROLE: 'api', TZ: 'Asia/Kathmandu' });
  await second.start();
  replicas = [first, second];
  clients = await Promise.all(replicas.map((replica) => replica.client()));
  const events = Array.from({ length: 300 }, (_, index) =>
    index % 3 === 0
      ? { event_type: 'user_login', user_id: index % 40, id: `u${index}` }
      : {
          kind: 'api',
          service_name: `service-${index % 5}`,
          endpoint: `/things/${index}`,
          method: 'GET',
          status_code: index % 7 === 0 ? 500 : 200,
          response_time_ms: index,
          id: `a${index}`,
        },
  );
  // Half of them to each.
  for (const [index, client] of clients.entries()) {
    const half = events.filter((_, at) => at % 2 === index);
    assert.is((await client.post('/metrics/events/batch', { events: half })).status, 202);
  }
});
test.after(async () => {
  for (const replica of replicas) await replica.end('SIGTERM');
  await servers.stop();
});

for (const [path, complete] of [
  ['/metrics/summary?window=1h', /"requests":200,/],
  ['/metrics/summary?window=30d', /"requests":200,/],
  ['/metrics/services/health', /"service-4"/],
  ['/metrics/dashboard?from=-1h&compare=previous', /"sessions":\d+.*"requests":200,/],
  ['/metrics/dashboard?from=-7d&interval=1d&service=service-1', /"requests":\d+/],
] as const) {
  test(`${path} has the same state from both`, async () => {
    const tags = await waitFor(
      'the same answer from both',
      async () => {
        const answers = await Promise.all(clients.map((client) => client.get(path)));
        assert.equal(
          answers.map(({ status }) => status),
          [200, 200],
        );
        if (!answers.every(({ text }) => complete.test(text))) return undefined;
        const [first, second] = answers.map(({ headers }) => headers.get('etag'));
        return first === second ? [first, second] : undefined;
      },
      BOUND_MS,
    );
    assert.ok(tags[0]);
    // What one of them said is known to the other.
    const [, second] = clients;
    const again = await second?.send('GET', path, undefined, { 'if-none-match': tags[0] ?? '' });
    assert.ok(again?.status === 304 || again?.headers.get('etag') !== tags[0]);
  });
}

test('both are scraped alike, but for what each says about itself', async () => {
  const platform = (text: string): string[] => text.split('\n').filter((line) => /^(http_|platform_)/.test(line));
  const lines = await waitFor('the same scrape of both', async () => {
    const scrapes = await Promise.all(clients.map((client) => client.get('/metrics/prometheus')));
    const [first = [], second = []] = scrapes.map(({ text }) => platform(text));
    return first.length > 0 && first.join('\n') === second.join('\n') ? first : undefined;
  });
  assert.ok(lines.some((line) => line.startsWith('http_requests_total{')));
});

test.run();
