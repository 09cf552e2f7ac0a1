import { spawnSync } from 'node:child_process';
import { Redis } from 'ioredis';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventsBetween } from '../../src/demo/live.js';
import { MINUTE_MS } from '../../src/demo/minute.js';
import { tellStory } from '../../src/demo/story.js';
import { readDashboards, readQueries, withoutVariables } from '../support/dashboards.js';
import { isInstalled, PrometheusServer } from '../support/prometheus-server.js';
import { waitFor } from '../support/servers.js';
import { startTestService, type TestService } from '../support/service.js';

const SCRAPE_INTERVAL = '300ms';
const WINDOW_S = 300;

const test = suite('scraped by Prometheus');
const withPrometheus = isInstalled('prometheus') ? test : test.skip;
const withPromtool = isInstalled('promtool') ? test : test.skip;
if (!isInstalled('prometheus')) console.log('Prometheus is not installed: the scrapes by it are skipped');
if (!isInstalled('promtool')) console.log('promtool is not installed: its check is skipped');

let opened: TestService | undefined;
let server: PrometheusServer | undefined;
function service(): TestService {
  if (opened === undefined) throw new Error('not started');
  return opened;
}
function prometheus(): PrometheusServer {
  if (server === undefined) throw new Error('not started');
  return server;
}

test.before(async () => {
  opened = await startTestService();
  await send({ 200: 40, 500: 10 });
  await waitFor('the first requests', async () => ((await scraped('status="200"')) === 40 ? true : undefined));
  if (isInstalled('prometheus')) server = await PrometheusServer.start(opened.app.port, SCRAPE_INTERVAL);
});
test.after(async () => {
  await server?.stop();
  await opened?.stop();
});

/** Reports so many requests for each status, and a login. */
async function send(counts: Readonly<Record<string, number>>): Promise<void> {
  const events = Object.entries(counts).flatMap(([status, count]) =>
    Array.from({ length: count }, (_, index) => ({
      kind: 'api',
      service_name: 'web',
      endpoint: `/users/${index}`,
      method: 'GET',
      status_code: Number(status),
      response_time_ms: 20 + (index % 3),
    })),
  );
  const body = { events: [...events, { event_type: 'user_login', user_id: 7 }] };
  assert.is((await service().client.post('/metrics/events/batch', body)).status, 202);
}

async function scrape(accept = 'text/plain'): Promise<string> {
  return (await service().client.send('GET', '/metrics/prometheus', undefined, { accept })).text;
}

/** The value of the series of `http_requests_total` with this label. */
async function scraped(label: string): Promise<number | undefined> {
  const line = (await scrape())
    .split('\n')
    .find((each) => each.startsWith('http_requests_total') && each.includes(label));
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1));
}

test('every sample belongs to a family with HELP and TYPE, and no series is there twice', async () => {
  const lines = (await scrape()).split('\n');
  const of = (word: string): Set<string> =>
    new Set(lines.flatMap((line) => new RegExp(`^# ${word} (\\S+) \\S`).exec(line)?.[1] ?? []));
  const [helped, typed] = [of('HELP'), of('TYPE')];
  assert.equal([...helped], [...typed]);
  const samples = lines.filter((line) => line !== '' && !line.startsWith('#'));
  for (const sample of samples) {
    const name = /^\w+/.exec(sample)?.[0] ?? '';
    assert.ok(typed.has(name) || typed.has(name.replace(/_(bucket|sum|count)$/, '')), sample);
  }
  const series = samples.map((line) => line.slice(0, line.lastIndexOf(' ')));
  assert.is(new Set(series).size, series.length);
});

test('well-known event types are there before their first event', async () => {
  const text = await scrape();
  assert.match(text, 'platform_events_total{event_type="user_login"} 1\n');
  assert.match(text, 'platform_events_total{event_type="appointment_created"} 0\n');
});

withPromtool('promtool has nothing to say about a scrape', async () => {
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: await scrape() });
  assert.equal([status, String(stdout), String(stderr)], [0, '', '']);
});

/** A selector of the series with this status. */
const requests = (status: string): string =>
  `http_requests_total{service="web",endpoint="/users/:id",status="${status}"}`;

async function untilPrometheusHas(status: string, count: number): Promise<void> {
  await waitFor(`${count} requests in Prometheus`, async () =>
    (await prometheus().value(requests(status))) === count ? true : undefined,
  );
}

withPrometheus('the target is up, and what was sent is what it counts', async () => {
  await untilPrometheusHas('200', 40);
  await send({ 200: 60, 500: 5 });
  await untilPrometheusHas('200', 100);
  await untilPrometheusHas('500', 15);
  assert.is(await prometheus().value('up{job="metrics-service"}'), 1);
  assert.is(await prometheus().value('metrics_service_platform_readable'), 1);
  assert.is(await prometheus().value('http_request_duration_seconds_count{service="web"}'), 115);
  assert.is(await prometheus().value('platform_active_users{period="daily"}'), 1);
  const median = await prometheus().value(
    'histogram_quantile(0.5, http_request_duration_seconds_bucket{service="web"})',
  );
  assert.ok(median !== undefined && median > 0.01 && median <= 0.025, `${median}`);
});

/**
 * `increase` extrapolates: it stretches what it saw between the first and the last sample to the window's ends, but on
 * either side by no more than 1.1 times the mean distance of samples. Of n samples, that is at most 2.2 / (n - 1).
 */
withPrometheus('rate and increase match what was sent, within what Prometheus extrapolates', async () => {
  for (const [status, sent] of [
    ['200', 60],
    ['500', 5],
  ] as const) {
    const atSeconds = Date.now() / 1000;
    const [series] = await prometheus().query(`${requests(status)}[${WINDOW_S}s]`, atSeconds);
    const samples = series?.samples ?? [];
    const [first, last] = [samples[0]?.[1] ?? 0, samples.at(-1)?.[1] ?? 0];
    assert.is(last - first, sent);
    const increase = (await prometheus().value(`increase(${requests(status)}[${WINDOW_S}s])`, atSeconds)) ?? 0;
    const most = sent * (1 + 2.2 / (samples.length - 1));
    assert.ok(increase >= sent && increase <= most, `${increase} is not within ${sent} and ${most}`);
    const rate = (await prometheus().value(`rate(${requests(status)}[${WINDOW_S}s])`, atSeconds)) ?? 0;
    assert.ok(Math.abs(rate * WINDOW_S - increase) < 1e-9 * increase, `${rate} is not a ${WINDOW_S}th of ${increase}`);
  }
});

withPrometheus('no counter goes back when Redis is emptied and filled again', async () => {
  const redis = new Redis(service().servers.redis.port, '127.0.0.1');
  await redis.flushall();
  redis.disconnect();
  await send({ 200: 1 });
  await untilPrometheusHas('200', 101);
  const resets = await prometheus().query(
    `{__name__=~"http_requests_total|http_request_duration_seconds_.+|platform_events_total"}`,
  );
  assert.ok(resets.length > 10);
  for (const { labels } of resets) {
    const selector = `{${Object.entries(labels)
      .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
      .join(',')}}`;
    assert.is(await prometheus().value(`resets(${selector}[${WINDOW_S}s])`), 0, selector);
  }
});

/** Sends what the demo would have sent in these minutes; answers how many requests there are among it. */
async function playDemo(fromMs: number, untilMs: number): Promise<number> {
  const story = tellStory({ seed: 3, sessionsPerMinute: 3, begunMs: untilMs, startMs: untilMs });
  const events = [...eventsBetween(story, fromMs, untilMs)].map(({ id, occurredAtMs, event }) => ({
    ...event.body,
    kind: event.kind,
    id,
    occurred_at: new Date(occurredAtMs).toISOString(),
  }));
  assert.is((await service().client.post('/metrics/events/batch', { events })).status, 202);
  return events.filter(({ kind }) => kind === 'api').length;
}

/** Grafana's queries to which there is no number. */
async function unanswered(): Promise<string[]> {
  const missing: string[] = [];
  for (const { panel, expr } of readQueries()) {
    const series = await prometheus().query(withoutVariables(expr));
    if (!series.some(({ samples }) => samples.some(([, value]) => Number.isFinite(value)))) missing.push(panel);
  }
  return missing;
}

withPrometheus("every query of Grafana's dashboards finds numbers in what the demo sends", async () => {
  const endMs = Date.now();
  const before = (await prometheus().value('sum(http_requests_total)')) ?? 0;
  const first = await playDemo(endMs - 10 * MINUTE_MS, endMs - 5 * MINUTE_MS);
  await waitFor('the first minutes', async () =>
    (await prometheus().value('sum(http_requests_total)')) === before + first ? true : undefined,
  );
  assert.ok((await playDemo(endMs - 5 * MINUTE_MS, endMs)) > 0);
  let missing: string[] = ['nothing was asked'];
  const isAnswered = async (): Promise<true | undefined> => {
    missing = await unanswered();
    return missing.length === 0 ? true : undefined;
  };
  await waitFor('the queries', isAnswered).catch((error: Error) => {
    throw new Error(`${error.message}: ${missing.join('; ')}`);
  });
});

withPrometheus('the variables of the dashboards have values to choose from', async () => {
  const queries = readDashboards().flatMap(({ templating }) =>
    templating.list.flatMap(({ query }) => (typeof query === 'string' ? [] : query.query)),
  );
  assert.is(queries.length, 2);
  for (const query of queries) {
    const [, metric = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(query) ?? [];
    assert.ok(
      (await prometheus().query(metric)).some(({ labels }) => labels[label] !== undefined),
      query,
    );
  }
});

withPrometheus('what has not happened yet is 0, so that the first time is an increase', async () => {
  for (const name of ['events_refused', 'appends_refused', 'projection_failures']) {
    const series = await prometheus().query(`metrics_service_${name}_total`);
    assert.ok(series.length > 4, name);
    assert.ok(
      series.every(({ samples }) => samples[0]?.[1] === 0),
      name,
    );
  }
});

test.run();
