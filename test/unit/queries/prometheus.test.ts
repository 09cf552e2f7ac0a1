import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PlatformCounters } from '../../../src/queries/aggregates.js';
import {
  type ExpositionFormat,
  type MetricFamily,
  registryFamilies,
  renderExposition,
} from '../../../src/queries/exposition.js';
import { platformFamilies } from '../../../src/queries/prometheus.js';
import { HISTOGRAM_BOUNDS_S } from '../../../src/store/summary-schema.js';
import { createServiceMetrics } from '../../../src/telemetry/service-metrics.js';
import { isInstalled } from '../../support/prometheus-server.js';

const test = suite('what Prometheus scrapes');

const EMPTY: PlatformCounters = {
  sequence: 0,
  requests: [],
  durations: [],
  events: [],
  activeUsers: { daily: 0, weekly: 0, monthly: 0 },
  gauges: [],
};
const NASTY = '/a"b\\c\nd\u00e9';
const FILLED: PlatformCounters = {
  sequence: 9,
  requests: [
    { service: 'web', method: 'POST', endpoint: '/users/:id', status: '201', count: 2 },
    { service: 'web', method: 'GET', endpoint: NASTY, status: '500', count: 1 },
    { service: 'web', method: 'GET', endpoint: NASTY, status: '200', count: 3 },
    { service: 'auth', method: 'GET', endpoint: 'other', status: '200', count: 9_007_199_254_740_991 },
  ],
  durations: [
    {
      service: 'web',
      method: 'GET',
      endpoint: NASTY,
      buckets: [1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1],
      sumUs: 12_300_001,
    },
  ],
  events: [
    { eventType: 'user_login', count: 7 },
    { eventType: 'other', count: 1 },
  ],
  activeUsers: { daily: 1, weekly: 2, monthly: 3 },
  gauges: [
    { service: 'web', metric: 'memory_usage', value: 8_589_934_592 },
    { service: 'web', metric: 'cpu_usage', value: 12.5 },
    { service: 'web', metric: 'tiny', value: 1e-7 },
  ],
};
const FIRING = [
  { name: 'high', severity: 'critical', labels: { service_name: 'web' }, value: 1, starts_at: '2026-01-01T00:00:00Z' },
  {
    name: 'high',
    severity: 'critical',
    labels: { service_name: 'web', zone: 'b' },
    value: 1,
    starts_at: '2026-01-01T00:00:00Z',
  },
  { name: 'quiet', severity: 'info', labels: {}, value: 1, starts_at: '2026-01-01T00:00:00Z' },
];

test('HELP and TYPE of every metric are there before anything happened', () => {
  const text = renderExposition(platformFamilies(EMPTY, []), 'text');
  for (const [name, type] of [
    ['http_requests_total', 'counter'],
    ['http_request_duration_seconds', 'histogram'],
    ['platform_events_total', 'counter'],
    ['platform_active_users', 'gauge'],
    ['platform_system_metric', 'gauge'],
    ['platform_alert_firing', 'gauge'],
  ]) {
    assert.match(text, new RegExp(`^# HELP ${name} .+\n# TYPE ${name} ${type}$`, 'm'));
  }
  assert.match(text, 'platform_active_users{period="monthly"} 0\n');
});

test('label values are escaped, and series stand in one order whatever order they came in', () => {
  const text = renderExposition(platformFamilies(FILLED, FIRING), 'text');
  const backwards = {
    ...FILLED,
    requests: [...FILLED.requests].reverse(),
    events: [...FILLED.events].reverse(),
    gauges: [...FILLED.gauges].reverse(),
  };
  assert.is(renderExposition(platformFamilies(backwards, [...FIRING].reverse()), 'text'), text);
  const requests = text.split('\n').filter((line) => line.startsWith('http_requests_total'));
  assert.equal(requests, [
    'http_requests_total{service="auth",method="GET",endpoint="other",status="200"} 9007199254740991',
    'http_requests_total{service="web",method="GET",endpoint="/a\\"b\\\\c\\nd\u00e9",status="200"} 3',
    'http_requests_total{service="web",method="GET",endpoint="/a\\"b\\\\c\\nd\u00e9",status="500"} 1',
    'http_requests_total{service="web",method="POST",endpoint="/users/:id",status="201"} 2',
  ]);
});

test('the buckets of the histogram add up, and its sum is in seconds', () => {
  const text = renderExposition(platformFamilies(FILLED, []), 'text');
  const lines = text.split('\n').filter((line) => line.startsWith('http_request_duration_seconds_'));
  assert.equal(
    lines.map((line) => line.slice(line.lastIndexOf(' ') + 1)),
    ['1', '1', '1', '1', '3', '3', '3', '3', '3', '3', '3', '4', '12.300001', '4'],
  );
  assert.match(lines[0] ?? '', 'le="0.005"');
  assert.match(lines[11] ?? '', 'le="+Inf"');
});

test('an alert that fires for one service in two zones is one series', () => {
  const text = renderExposition(platformFamilies(EMPTY, FIRING), 'text');
  assert.equal(
    text.split('\n').filter((line) => line.startsWith('platform_alert_firing')),
    [
      'platform_alert_firing{alert="high",severity="critical",service="web"} 1',
      'platform_alert_firing{alert="quiet",severity="info",service=""} 1',
    ],
  );
});

test('OpenMetrics names counters without _total, writes bounds as numbers, and ends once', () => {
  const own: MetricFamily[] = [{ name: 'own_total', help: 'says "x"', type: 'counter', samples: [] }];
  const text = renderExposition([...platformFamilies(FILLED, FIRING), ...own], 'openmetrics');
  assert.match(text, '# TYPE http_requests counter\n');
  assert.match(text, 'http_requests_total{service="auth"');
  assert.match(text, 'le="1.0"');
  assert.match(text, 'le="2.5"');
  assert.match(text, '# HELP own says \\"x\\"\n');
  assert.is(text.indexOf('# EOF'), text.length - '# EOF\n'.length);
});

/** A registry of prom-client that was fed the same. */
function sameInPromClient(): Registry {
  const registers = [new Registry()];
  const labelNames = ['service', 'method', 'endpoint', 'status'];
  const requests = new Counter({ name: 'http_requests_total', help: 'Requests', labelNames, registers });
  for (const { count, status, ...labels } of FILLED.requests) requests.inc({ ...labels, status }, count);
  const durations = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'a \\ and\na line',
    labelNames: labelNames.slice(0, 3),
    buckets: [...HISTOGRAM_BOUNDS_S],
    registers,
  });
  for (const seconds of [0.005, 0.07, 0.1, 12]) {
    durations.observe({ service: 'web', method: 'GET', endpoint: NASTY }, seconds);
  }
  const gauge = new Gauge({
    name: 'platform_system_metric',
    help: 'Gauges',
    labelNames: ['service', 'metric'],
    registers,
  });
  for (const { value, ...labels } of FILLED.gauges) gauge.set(labels, value);
  return registers[0] ?? new Registry();
}

/** Lines in an order of their own: prom-client puts the bound first, and the sum before +Inf's neighbour. */
function canonicalLines(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) =>
      line.replace(
        /\{(.*)\}/,
        (_, labels: string) =>
          `{${labels
            .split(/,(?=[a-z]+=")/)
            .sort()
            .join(',')}}`,
      ),
    )
    .sort();
}

test('a registry of prom-client is rendered as prom-client does it', async () => {
  const registry = sameInPromClient();
  const families = registryFamilies(await registry.getMetricsAsJSON());
  assert.equal(canonicalLines(renderExposition(families, 'text')), canonicalLines(await registry.metrics()));
});

test('the platform is rendered as prom-client renders the same numbers', async () => {
  const wanted = canonicalLines(await sameInPromClient().metrics()).filter((line) => !/^#|_sum/.test(line));
  const names = /^(http_requests_total|http_request_duration_seconds_(bucket|count)|platform_system_metric)/;
  const found = canonicalLines(renderExposition(platformFamilies(FILLED, []), 'text')).filter((line) =>
    names.test(line),
  );
  assert.equal(found, wanted);
});

const withPromtool = isInstalled('promtool') ? test : test.skip;
if (!isInstalled('promtool')) console.log('promtool is not installed: its checks are skipped');

function promtool(args: readonly string[], input = ''): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}

/** Some value for each label that a metric has. */
function labelsOf(metric: object): Record<string, string> {
  const names: unknown = Reflect.get(metric, 'labelNames');
  return Array.isArray(names) ? Object.fromEntries(names.map((name: string) => [name, 'x'])) : {};
}

/** The whole document, the service's own metrics included. */
async function wholeDocument(counters: PlatformCounters, format: ExpositionFormat): Promise<string> {
  const { registry } = createServiceMetrics();
  // A metric without a sample is overlooked by promtool.
  for (const metric of registry.getMetricsAsArray()) {
    if (metric instanceof Counter && metric.name.startsWith('metrics_service_')) metric.inc(labelsOf(metric));
    if (metric instanceof Histogram) metric.observe(0.2);
    if (metric instanceof Gauge && metric.name.startsWith('metrics_service_')) metric.set(labelsOf(metric), 1);
  }
  const own = registryFamilies(await registry.getMetricsAsJSON());
  return renderExposition([...platformFamilies(counters, FIRING), ...own], format);
}

withPromtool('promtool finds nothing to complain about', async () => {
  for (const counters of [EMPTY, FILLED]) {
    const outcome = promtool(['check', 'metrics'], await wholeDocument(counters, 'text'));
    assert.equal(outcome, { status: 0, output: '' });
  }
});

withPromtool("Prometheus's own parser of OpenMetrics takes every sample", async () => {
  const folder = mkdtempSync(join(tmpdir(), 'metrics-test-openmetrics-'));
  try {
    const lines = (await wholeDocument(FILLED, 'openmetrics')).split('\n');
    // The tool wants a time on each sample.
    const timed = lines.map((line) => (line === '' || line.startsWith('#') ? line : `${line} 1700000000`));
    writeFileSync(join(folder, 'metrics.txt'), timed.join('\n'));
    const into = ['tsdb', 'create-blocks-from', 'openmetrics', join(folder, 'metrics.txt'), join(folder, 'blocks')];
    const outcome = promtool(into);
    assert.is(outcome.status, 0, outcome.output);
    const samples = lines.filter((line) => line !== '' && !line.startsWith('#')).length;
    assert.match(outcome.output, new RegExp(`\\b${samples}\\b`));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.run();
