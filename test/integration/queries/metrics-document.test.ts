import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import jsonata from 'jsonata';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LogEvent } from '../../../src/events/kinds.js';
import { CountsReader } from '../../../src/queries/counts-reader.js';
import { HEADLINE_NUMBERS } from '../../../src/queries/dashboard-comparison.js';
import { DashboardSource } from '../../../src/queries/dashboard-source.js';
import { GetDashboard, GetDashboardHandler } from '../../../src/queries/get-dashboard.js';
import { GetPrometheusHandler } from '../../../src/queries/get-prometheus.js';
import { GetServicesHealthHandler } from '../../../src/queries/get-services-health.js';
import { GetSummary, GetSummaryHandler } from '../../../src/queries/get-summary.js';
import { PostgresSource } from '../../../src/queries/postgres-source.js';
import type { ServiceHealth } from '../../../src/queries/services-health.js';
import { SessionReader } from '../../../src/queries/session-reader.js';
import { NATS_METRICS } from '../../../src/store/summary-schema.js';
import { createServiceMetrics } from '../../../src/telemetry/service-metrics.js';
import { openStore, type TestStore } from '../../support/database.js';
import { BUSINESS, foldEvents } from '../../support/fold-events.js';
import { foldAllSessions } from '../../support/fold-sessions.js';
import { randomEvents } from '../../support/random-events.js';

const DOCS = join(import.meta.dirname, '../../../../docs');
const DOCUMENT = readFileSync(join(DOCS, 'metrics.md'), 'utf8');
const GRAFANA = readFileSync(join(DOCS, 'grafana.md'), 'utf8');
const COLUMNS = 7;
const EVENTS = 2_000;
const LIMITS = { errorRate: 0.05, responseTimeMs: 2_000, intervalSeconds: 300 };
const DAY_MS = 86_400_000;
const FIRING = { name: 'a', severity: 'info', labels: { service_name: 'web' }, value: 1, starts_at: 'then' };

/** What the document names by a shorter way. */
const SAME: readonly (readonly [place: string, documented: string])[] = [
  ['dashboard.summary.', 'summary.'],
  ['dashboard.services[].', 'health.services[].'],
  ['dashboard.alerts[].', 'summary.alerts.firing[].'],
  ['summary.api.', '{api}.'],
  ['dashboard.top.services[].', '{api}.'],
  ['dashboard.top.endpoints[].', '{api}.'],
];
/** Objects whose keys are names that come from events. */
const NAMED = [
  /\.status_codes$/,
  /^dashboard\.series\.(events_by_type|cpu_usage|memory_usage|db_pool_\w+)$/,
  /^dashboard\.comparison\.numbers$/,
  /\.labels$/,
];

interface DocumentedRow {
  readonly name: string;
  readonly cells: readonly string[];
}

function documentedRows(): DocumentedRow[] {
  return DOCUMENT.split('\n').flatMap((line) => {
    const [, name] = /^\| `([^`]+)` +\|/.exec(line) ?? [];
    return name === undefined ? [] : [{ name, cells: line.split(/(?<!\\)\|/).slice(1, -1) }];
  });
}

const documented = new Set(documentedRows().map(({ name }) => name));

/** The paths of an answer's leaves; a point of a series is a leaf. */
function leaves(value: unknown, path: string): string[] {
  if (Array.isArray(value)) {
    if (value.length === 0) throw new Error(`The events of this test leave ${path} empty`);
    return value.flatMap((element) => leaves(element, `${path}[]`));
  }
  if (typeof value !== 'object' || value === null || ('t' in value && 'value' in value)) return [path];
  const isNamed = NAMED.some((pattern) => pattern.test(path));
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, `${path}.${isNamed ? '*' : key}`));
}

/** The name under which the document has a leaf. */
function nameOf(leaf: string): string | undefined {
  if (documented.has(leaf)) return leaf;
  for (const [place, other] of SAME) {
    const name = leaf.startsWith(place) ? nameOf(other + leaf.slice(place.length)) : undefined;
    if (name !== undefined) return name;
  }
  const [family = ''] = /^(process|nodejs)_/.exec(leaf) ?? [];
  return documented.has(`${family}*`) ? `${family}*` : undefined;
}

/** What the service `web` says as a NATS service. */
function natsAnswers(nowMs: number): LogEvent[] {
  return Object.values(NATS_METRICS).map((metric_name, index) => ({
    kind: 'system',
    body: { service_name: 'web', metric_name, value: 1 },
    id: `nats-${index}`,
    sequence: EVENTS + 1 + index,
    occurredAtMs: nowMs,
    timeFromLog: false,
  }));
}

interface Found {
  readonly names: ReadonlySet<string>;
  /** A dashboard as it is sent. */
  readonly dashboard: unknown;
}

async function answers(store: TestStore): Promise<Found> {
  const nowMs = Date.now();
  const now = (): number => nowMs;
  await foldEvents(store.pool, [...randomEvents(EVENTS, 11, nowMs, 3), ...natsAnswers(nowMs)]);
  await foldAllSessions(store.pool);
  const postgres = new PostgresSource(store.pool, BUSINESS);
  const redis = { ...postgres, name: 'redis' as const, check: () => Promise.reject(new Error('away')) };
  const reader = new CountsReader({ redis: Object.assign(Object.create(postgres), redis), postgres, now });
  const alerts = () => Promise.resolve([FIRING]);
  const summary = new GetSummaryHandler(reader, new SessionReader(store.pool), LIMITS, alerts, now);
  const health = new GetServicesHealthHandler(reader, LIMITS, now);
  const dashboard = new GetDashboardHandler(reader, new DashboardSource(store.pool, BUSINESS), LIMITS, alerts, now);
  const range = { fromMs: nowMs - DAY_MS, toMs: nowMs, intervalSeconds: 3_600 };
  const families = [
    ...(await new GetPrometheusHandler(reader, alerts, now).execute()),
    ...(await createServiceMetrics().registry.getMetricsAsJSON()),
  ];
  const found = await summary.execute(new GetSummary('24h'));
  const services = await health.execute();
  const shown = await dashboard.execute(new GetDashboard({ range, filters: {}, compare: true }));
  const names = [
    ...leaves(found, 'summary'),
    ...leaves(whole(services), 'health'),
    ...leaves(whole(shown), 'dashboard'),
    ...families.map(({ name }) => name),
  ];
  return { names: new Set(names), dashboard: JSON.parse(JSON.stringify(shown)) };
}

/** Leaves out healthy services, which have no reasons, and silent ones, which have no source. */
function whole<D extends { readonly services: readonly Pick<ServiceHealth, 'reasons' | 'sources'>[] }>(answer: D) {
  const { services } = answer;
  return { ...answer, services: services.filter(({ reasons, sources }) => reasons.length > 0 && sources.length > 0) };
}

const test = suite('docs/metrics.md');
const context: { store?: TestStore; found?: ReadonlySet<string>; dashboard?: unknown } = {};
test.before(async () => {
  context.store = await openStore();
  const { names, dashboard } = await answers(context.store);
  Object.assign(context, { found: names, dashboard });
});
test.after(() => context.store?.close());

test('names everything that an answer has', () => {
  const missing = [...(context.found ?? [])].filter((leaf) => nameOf(leaf) === undefined);
  assert.equal(missing, []);
});

test('names nothing that no answer has', () => {
  const named = new Set([...(context.found ?? [])].map(nameOf));
  assert.equal(
    [...documented].filter((name) => !named.has(name)),
    [],
  );
});

test('has every part of `{api}` in all three places', () => {
  for (const name of [...documented].filter((each) => each.startsWith('{api}.'))) {
    for (const place of ['summary.api', 'dashboard.top.services[]', 'dashboard.top.endpoints[]']) {
      assert.ok(context.found?.has(name.replace('{api}', place)), `${place} of ${name}`);
    }
  }
});

test('names each number once, with every column filled', () => {
  const rows = documentedRows();
  assert.is(rows.length, documented.size);
  for (const { name, cells } of rows) {
    assert.is(cells.length, COLUMNS, name);
    assert.ok(
      cells.every((cell) => cell.trim() !== ''),
      name,
    );
  }
});

test('names the numbers that are compared', () => {
  const section = DOCUMENT.slice(DOCUMENT.indexOf('## Comparison'), DOCUMENT.indexOf('## The answer itself'));
  for (const name of HEADLINE_NUMBERS) assert.match(section, new RegExp(`\\b${name}\\b`));
});

/** Panels of docs/grafana.md: root selector and columns. */
function documentedPanels(): { selector: string; columns: string[] }[] {
  return GRAFANA.split('\n').flatMap((line) => {
    const [, , , selector, columns] = line.split('|').map((cell) => cell.trim());
    if (selector?.startsWith('`$') !== true) return [];
    return [
      {
        selector: selector.slice(1, -1),
        columns: Array.from(columns?.matchAll(/`(\w+)`/g) ?? [], ([, name]) => name ?? ''),
      },
    ];
  });
}

test('docs/grafana.md has selectors and columns that find data in a dashboard', async () => {
  const panels = documentedPanels();
  assert.ok(panels.length > 15);
  for (const { selector, columns } of panels) {
    const found: unknown = await jsonata(selector).evaluate(context.dashboard);
    const rows: unknown[] = Array.isArray(found) ? found : [found];
    assert.ok(columns.length > 1 && rows.length > 0, selector);
    for (const column of columns) {
      const has = (row: unknown) => Object.entries(row ?? {}).some(([key, value]) => key === column && value !== null);
      assert.ok(rows.some(has), `${selector} has no ${column}`);
    }
  }
});

test.run();
