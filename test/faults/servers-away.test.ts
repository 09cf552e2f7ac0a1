import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import type { OperationalStatus } from '../../src/queries/get-status.js';
import type { Summary } from '../../src/queries/summary.js';
import { startTestPostgres, waitFor } from '../support/servers.js';
import { type Answer, startTestService, type TestService } from '../support/service.js';

const test = suite('A server is away');

/** Noticing and recovering; the contract's bounds are shorter, but a loaded machine is not what they are about. */
const BOUND_MS = 30_000;

let postgres: ManagedServer;
let service: TestService;

test.before(async () => {
  postgres = await startTestPostgres();
  service = await startTestService({ DATABASE_URL: postgres.url, LOG_LEVEL: 'CRITICAL' });
});

test.after(async () => {
  await service.stop();
  await postgres.stop();
});

/** Asks until the answer is as wanted, and answers that. */
function eventually(what: string, ask: () => Promise<Answer>, wanted: (answer: Answer) => boolean): Promise<Answer> {
  return waitFor(
    what,
    async () => {
      const answer = await ask();
      return wanted(answer) ? answer : undefined;
    },
    BOUND_MS,
  );
}

const post = () => service.client.post('/metrics/events', { event_type: 'user_login', user_id: 1 });
const summary = () => service.client.get('/metrics/summary');
const health = () => service.client.get('/health/detailed');

async function expectLogins(logins: number): Promise<void> {
  await eventually(`${logins} logins from Redis`, summary, (answer) => {
    if (answer.status !== 200) return false;
    const { users, source } = answer.json() as Summary;
    return source === 'redis' && users.logins === logins;
  });
}

test('all are there', async () => {
  assert.is((await post()).status, 202);
  await expectLogins(1);
  const caughtUp = ({ text }: Answer): boolean => !/"lag_events":(null|[1-9])/.test(text);
  const answer = await eventually('all that was sent', health, caughtUp);
  assert.is(answer.status, 200);
  const { status, projections, components } = answer.json() as OperationalStatus;
  assert.is(status, 'ok');
  assert.ok(Object.values(components).every(({ latency_ms }) => latency_ms !== null));
  assert.equal(
    projections.map(({ name, lag_events }) => [name, lag_events]),
    [
      ['tables', 0],
      ['summaries', 0],
      ['sessions', 0],
    ],
  );
});

test('Postgres: posts get 202, summaries come from Redis, the backlog drains by itself', async () => {
  await postgres.kill();
  for (let count = 0; count < 10; count += 1) assert.is((await post()).status, 202);
  const answer = await summary();
  assert.is(answer.status, 200);
  assert.is((answer.json() as Summary).users.logins, 1);
  const dashboard = await service.client.get('/metrics/dashboard');
  assert.is(dashboard.status, 503);
  assert.match(dashboard.headers.get('retry-after') ?? '', /^\d+$/);
  const { status: readiness, text } = await health();
  assert.is(readiness, 503);
  assert.not.match(text, /127\.0\.0\.1|ECONN|postgres:/);
  await postgres.start();
  await expectLogins(11);
});

test('Postgres and Redis: questions get 503, the scrape still tells about the service', async () => {
  await Promise.all([postgres.kill(), service.servers.redis.kill()]);
  const answer = await eventually('a 503', summary, ({ status }) => status === 503);
  assert.is(answer.headers.get('content-type'), 'application/problem+json');
  const scrape = await service.client.get('/metrics/prometheus');
  assert.is(scrape.status, 200);
  assert.match(scrape.text, /^metrics_service_platform_readable 0$/m);
  assert.is((await post()).status, 202);
  await Promise.all([postgres.start(), service.servers.redis.start()]);
  await expectLogins(12);
});

test('what was appended is counted', async () => {
  const { text } = await service.client.get('/metrics/prometheus');
  assert.match(text, /^metrics_service_events_appended_total\{duplicate="false"\} \d+$/m);
});

test.run();
