import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../../src/devservices/index.js';
import { ComposeProject, healthOf, inspect } from '../support/docker.js';
import { documented } from '../support/documented.js';
import { queryPrometheus } from '../support/prometheus-server.js';
import { waitFor } from '../support/servers.js';
import { TEST_SECRET, TestClient } from '../support/service.js';

/** On a busy machine a container alone takes a minute to begin. */
const READY_TIMEOUT_MS = 300_000;
/** Two scrapes and an evaluation are 45 s apart at most. */
const RULE_TIMEOUT_MS = 300_000;
/** Nothing of this machine could stand in for Grafana: a process that sleeps has its place. */
const WITHOUT_GRAFANA = 'services: { grafana: { image: metrics-service, user: node, entrypoint: [sleep, infinity] } }';
const VOLUMES = ['nats', 'postgres', 'redis', 'prometheus', 'grafana'];

const test = suite<{ project: ComposeProject; client: TestClient; prometheus: string; folder: string }>(
  'docker compose',
);

test.before(async (context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'compose-'));
  const override = join(context.folder, 'without-grafana.yml');
  writeFileSync(override, WITHOUT_GRAFANA);
  const names = ['PORT', 'NATS_PORT', 'POSTGRES_PORT', 'REDIS_PORT', 'PROMETHEUS_PORT', 'GRAFANA_PORT'];
  const ports: Record<string, string> = {};
  for (const name of names) ports[name] = String(await freePort());
  context.project = new ComposeProject(`metrics-test-${randomBytes(4).toString('hex')}`, {
    ...ports,
    COMPOSE_FILE: `docker-compose.yml:${override}`,
    JWT_SECRET: TEST_SECRET,
  });
  context.client = await TestClient.of(Number(ports.PORT));
  context.prometheus = `http://127.0.0.1:${ports.PROMETHEUS_PORT}`;
});
test.after(async ({ project, folder }) => {
  await project.run('down', '--volumes', '--timeout', '5');
  rmSync(folder, { recursive: true, force: true });
});

async function untilReady(client: TestClient): Promise<void> {
  await waitFor(
    'the service',
    () =>
      fetch(`${client.url}/health/detailed`).then(
        ({ status }) => (status === 200 ? true : undefined),
        () => undefined, // It does not listen yet.
      ),
    READY_TIMEOUT_MS,
  );
}

/** Logins and requests of the last 24 hours. */
async function counts(client: TestClient): Promise<string> {
  const { status, text } = await client.get('/metrics/summary');
  assert.is(status, 200, text);
  const [, logins] = /"logins":(\d+)/.exec(text) ?? [];
  const [, requests] = /"requests":(\d+)/.exec(text) ?? [];
  return `${logins} logins, ${requests} requests`;
}

function untilCounted(client: TestClient, expected: string): Promise<unknown> {
  return waitFor(expected, async () => ((await counts(client)) === expected ? true : undefined), READY_TIMEOUT_MS);
}

async function send(client: TestClient, event: Readonly<Record<string, unknown>>): Promise<void> {
  const { status, text } = await client.post('/metrics/events', event);
  assert.is(status, 202, text);
}

const request = { kind: 'api', service_name: 'billing', endpoint: '/pay', method: 'POST', status_code: 201 };
let requestsSent = 0;

test('without JWT_SECRET it says what to do, and begins nothing', async ({ project, folder }) => {
  const without = new ComposeProject(project.name, {});
  const envFile = join(folder, 'empty.env');
  writeFileSync(envFile, '');
  const error = await without.run('--env-file', envFile, 'up', '--detach').then(
    () => 'nothing',
    (thrown: Error) => thrown.message,
  );
  assert.match(error, /JWT_SECRET.*add it to \.env/s);
  assert.equal(await project.left(), { containers: [], networks: [], volumes: [] });
});

test('`up` builds the image and brings everything up; a token from inside lets an event in', async ({
  project,
  client,
}) => {
  const [up = '', token = '', status = ''] = documented('docs/operating.md', 'With Docker Compose', 'docker', 4);
  await project.type([up]);
  await untilReady(client);
  const own = new TestClient(client.url, await project.type([token, 'echo "$TOKEN"']));
  assert.match(await project.type([status]), /METRICS_DEADLETTERS/);
  await send(own, { event_type: 'user_login', user_id: 7 });
  await untilCounted(own, '1 logins, 0 requests');
});

test('each container is healthy, and can write to its volume alone', async ({ project }) => {
  for (const service of ['nats', 'postgres', 'redis', 'prometheus', 'metrics-service']) {
    const container = await project.run('ps', '--quiet', service);
    const isHealthy = async (): Promise<true | undefined> =>
      (await healthOf(container)) === 'healthy' ? true : undefined;
    await waitFor(`${service} to be healthy`, isHealthy, READY_TIMEOUT_MS);
    assert.is(await inspect(container, '.HostConfig.ReadonlyRootfs'), 'true', service);
  }
});

test('Prometheus scrapes it, and its rules make numbers of what was sent', async ({ client, prometheus }) => {
  const value = async (query: string): Promise<number | undefined> =>
    (await queryPrometheus(prometheus, query))[0]?.samples[0]?.[1];
  await waitFor(
    'the target',
    async () => ((await value('up{job="metrics-service"}')) === 1 ? true : undefined),
    RULE_TIMEOUT_MS,
  );
  // A rate needs a counter that grows between scrapes.
  const rate = await waitFor(
    'a rule',
    async () => {
      await send(client, { ...request, response_time_ms: 12 });
      requestsSent++;
      const now = await value('service:http_requests:rate5m{service="billing"}');
      return now !== undefined && now > 0 ? now : undefined;
    },
    RULE_TIMEOUT_MS,
  );
  assert.ok(rate > 0);
  assert.is(await value('service:http_error_ratio:rate5m{service="billing"}'), 0);
});

test('stopped and started again it has what it had, Prometheus too', async ({ project, client, prometheus }) => {
  await project.run('stop', '--timeout', '15');
  const beforeS = Date.now() / 1000;
  await project.run('start');
  await untilReady(client);
  await untilCounted(client, `1 logins, ${requestsSent} requests`);
  const kept = await waitFor(
    'Prometheus',
    () => queryPrometheus(prometheus, 'up{job="metrics-service"}[1h]', beforeS).catch(() => undefined),
    READY_TIMEOUT_MS,
  );
  assert.ok((kept[0]?.samples.length ?? 0) > 0);
});

test('`down` leaves nothing but the volumes, and the next `up` has the data', async ({ project, client }) => {
  await project.type([DOWN]);
  const { containers, networks, volumes } = await project.left();
  assert.equal([containers, networks], [[], []]);
  assert.equal(volumes.sort(), VOLUMES.map((volume) => `${project.name}_${volume}`).sort());
  await project.run('up', '--detach');
  await untilReady(client);
  await untilCounted(client, `1 logins, ${requestsSent} requests`);
});

/** Commands of docs/operating.md, for this project, with files in this folder. */
function here(lines: readonly string[], { project, folder }: { project: ComposeProject; folder: string }): string[] {
  return lines.map((line) =>
    line
      .replaceAll('metrics-service_', `${project.name}_`)
      .replaceAll('$PWD', folder)
      .replaceAll('metrics.dump', join(folder, 'metrics.dump')),
  );
}

const COPY = documented('docs/operating.md', 'Copying the log', 'docker');
const DUMP = documented('docs/operating.md', 'Dumping Postgres, where folding again would take too long', 'docker');
const RESTORE = documented('docs/operating.md', 'Bringing it back', 'docker').filter(
  (line) => !/ down | rm /.test(line),
);
const UPGRADE = documented('docs/operating.md', 'Upgrades', 'docker', 7);
const [DOWN = '', DOWN_WITH_VOLUMES = ''] = documented('docs/operating.md', 'Taking it away', 'docker', 2);

async function loseEverything(project: ComposeProject): Promise<void> {
  await project.type([DOWN_WITH_VOLUMES]);
  assert.equal((await project.left()).volumes, []);
}

test('a copy of the log alone brings every number back', async (context) => {
  const { project, client } = context;
  await project.type(here(COPY, context));
  await loseEverything(project);
  const lines = here(RESTORE, context).filter((line) => !/ postgres\b/.test(line));
  const verify = lines.pop() ?? '';
  await project.type(lines);
  await untilReady(client);
  await untilCounted(client, `1 logins, ${requestsSent} requests`);
  // It ends with 1, and this throws, where a row or a key is not what the log says.
  assert.match(verify, /verify$/);
  await project.type([verify]);
});

test('a dump of Postgres goes with a copy of the log that is later: what came between is folded', async (context) => {
  const { project, client } = context;
  await project.type(here(DUMP, context));
  await send(client, { event_type: 'user_login', user_id: 8 });
  await project.type(here(COPY, context));
  await loseEverything(project);
  const lines = here(RESTORE, context);
  const verify = lines.pop() ?? '';
  await project.type(lines);
  await untilReady(client);
  await untilCounted(client, `2 logins, ${requestsSent} requests`);
  await project.type([verify]);
});

test('after each step of an upgrade everything is there, also when Postgres begins anew', async (context) => {
  const { project, client } = context;
  const lines = here(UPGRADE, context);
  // The volumes go while nothing runs, so what brings it back belongs to them.
  for (const step of [...lines.slice(0, 4).map((line) => [line]), lines.slice(4)]) {
    await project.type(step);
    await untilReady(client);
    await untilCounted(client, `2 logins, ${requestsSent} requests`);
  }
  await project.type(here(RESTORE, context).slice(-1));
});

test('`down --volumes` leaves nothing at all', async ({ project }) => {
  await project.type([DOWN_WITH_VOLUMES]);
  assert.equal(await project.left(), { containers: [], networks: [], volumes: [] });
});

test.run();
