import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'nats';
import type { Pool } from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { OperationalStatus } from '../../src/queries/get-status.js';
import type { Summary } from '../../src/queries/summary.js';
import { type LoggedRequest, parseLine, readAccessLog, toApiEvent } from '../support/access-log.js';
import { testPool } from '../support/database.js';
import { waitFor } from '../support/servers.js';
import { startTestService, type TestService } from '../support/service.js';

const LOG_FILE = join(import.meta.dirname, '../../../../shared/data/access.log');
const CATCH_UP_TIMEOUT_MS = 60_000;

const test = suite('A real access log');
let requests: LoggedRequest[];
let service: TestService;
let pool: Pool;

/** How many items there are of each key, in a plain pass. */
function countBy<T>(
  items: readonly T[],
  key: (item: T) => string,
  weight: (item: T) => number = () => 1,
): Record<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + weight(item));
  return Object.fromEntries(counts);
}

/** The ten largest counts with their keys; the log has no tie at the tenth place. */
function topTen(counts: Record<string, number>): [string, number][] {
  return Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 10);
}

function sumOfBytes(): number {
  return requests.reduce((sum, { responseBytes = 0 }) => sum + responseBytes, 0);
}

test.before(async () => {
  requests = readAccessLog(LOG_FILE);
  service = await startTestService();
  pool = testPool(service.servers.database.url);
  const connection = await connect({ servers: service.servers.nats.url });
  const jetstream = connection.jetstream();
  const shiftMs = Date.now() - (requests.at(-1)?.timeMs ?? 0);
  for (let start = 0; start < requests.length; start += 500) {
    const publishes = requests.slice(start, start + 500).map((request, index) =>
      jetstream.publish('metrics.events.api.web', JSON.stringify(toApiEvent(request, shiftMs)), {
        msgID: `access-${start + index}`,
      }),
    );
    await Promise.all(publishes);
  }
  await connection.close();
  await waitFor(
    'all lines in tables and summaries',
    async () => {
      const { projections } = (await service.client.get('/health/detailed')).json() as OperationalStatus;
      return projections.every(({ sequence }) => sequence === requests.length) ? true : undefined;
    },
    CATCH_UP_TIMEOUT_MS,
  );
});

test.after(async () => {
  await pool.end();
  await service.stop();
});

async function groups(sql: string): Promise<Record<string, number>> {
  const { rows } = await pool.query<{ key: string; count: string }>(sql);
  return Object.fromEntries(rows.map(({ key, count }) => [key, Number(count)]));
}

test('every line is a row of api_metrics, once', async () => {
  assert.is(requests.length, 10_000);
  const { rows } = await pool.query(
    'select count(*)::int as rows, count(distinct event_id)::int as ids from api_metrics',
  );
  assert.equal(rows[0], { rows: 10_000, ids: 10_000 });
});

test('bytes, statuses, methods and the ten endpoints asked for most are those of a plain pass', async () => {
  const bytes = await groups(`select 'sum' as key, sum(response_bytes) as count from api_metrics`);
  assert.is(bytes.sum, sumOfBytes());
  const statuses = await groups('select status_code as key, count(*) from api_metrics group by 1');
  assert.equal(
    statuses,
    countBy(requests, ({ status }) => String(status)),
  );
  const methods = await groups('select method as key, count(*) from api_metrics group by 1');
  assert.equal(
    methods,
    countBy(requests, ({ method }) => method),
  );
  const endpoints = await groups(
    'select endpoint as key, count(*) from api_metrics group by 1 order by 2 desc limit 10',
  );
  assert.equal(endpoints, Object.fromEntries(topTen(countBy(requests, ({ target }) => target))));
});

test('the summary of seven days says the same', async () => {
  const answer = await service.client.get('/metrics/summary?window=7d');
  const { api, source } = answer.json() as Summary;
  assert.is(source, 'redis');
  assert.is(api.requests, 10_000);
  assert.is(api.response_bytes, sumOfBytes());
  assert.equal(
    api.status_codes,
    countBy(requests, ({ status }) => String(status)),
  );
  assert.is(api.errors, requests.filter(({ status }) => status >= 500).length);
});

/** Samples of a metric: its labels and its value. */
function samples(text: string, metric: string): { labels: Record<string, string>; value: number }[] {
  return text.split('\n').flatMap((line) => {
    const match = /^(\w+)\{(.*)\} (\S+)$/.exec(line);
    if (match === null || match[1] !== metric) return [];
    const labels = [...(match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
    return [{ labels: Object.fromEntries(labels.map(([, name, value]) => [name, value])), value: Number(match[3]) }];
  });
}

test('the scrape says the same', async () => {
  const { text } = await service.client.get('/metrics/prometheus');
  const found = samples(text, 'http_requests_total');
  const by = (label: string) =>
    countBy(
      found,
      ({ labels }) => labels[label] ?? '',
      ({ value }) => value,
    );
  assert.equal(
    by('status'),
    countBy(requests, ({ status }) => String(status)),
  );
  assert.equal(
    by('method'),
    countBy(requests, ({ method }) => method),
  );
  // An endpoint's label has no query, and numbers in it are ids.
  const route = ({ target }: LoggedRequest) => target.replace(/[?#].*$/, '').replace(/(?<=\/)\d+(?=\/|$)/g, ':id');
  const labelled = by('endpoint');
  for (const [endpoint, count] of topTen(countBy(requests, route))) assert.is(labelled[endpoint], count, endpoint);
});

const reading = suite('Reading an access log');

reading('a line becomes a request, its time in UTC', () => {
  const line = '10.0.0.1 - frank [17/May/2015:10:05:03 +0200] "GET /a?b=c HTTP/1.1" 200 2326 "-" "curl"';
  const timeMs = Date.UTC(2015, 4, 17, 8, 5, 3);
  assert.equal(parseLine(line), { timeMs, method: 'GET', target: '/a?b=c', status: 200, responseBytes: 2326 });
});

reading('nothing sent has no size, and what is no line is told', () => {
  assert.is(parseLine('h - - [01/Jan/2020:00:00:00 +0000] "HEAD / HTTP/1.0" 304 - "-" "-"').responseBytes, undefined);
  assert.throws(() => parseLine('no line'), /no line of combined log format/);
});

reading.run();

// uvu runs a suite's hooks even where all its tests are skipped, so without the log the suite itself stays away.
if (existsSync(LOG_FILE)) test.run();
else console.log('The access log is not there: only reading one was tried');
