import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse, stringify } from 'yaml';
import { IMAGES } from '../../src/devservices/images.js';
import { isInstalled } from '../support/prometheus-server.js';
import { testPrograms } from '../support/servers.js';

const ROOT = join(import.meta.dirname, '../../..');
const PROMETHEUS = join(ROOT, 'config/prometheus');
const DASHBOARDS = join(ROOT, 'config/grafana/dashboards');

const test = suite('files for NATS, Prometheus, Grafana and Docker');
const withPromtool = isInstalled('promtool') ? test : test.skip;
if (!isInstalled('promtool')) console.log('promtool is not installed: its checks are skipped');

function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const options = { cwd: PROMETHEUS, encoding: 'utf8', env: { ...process.env, ...env } } as const;
  const { status, stdout, stderr, error } = spawnSync(command, args, options);
  assert.is(status, 0, `${command} ${args.join(' ')}: ${stdout}${stderr}${error ?? ''}`);
  return stdout;
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

interface Rule {
  readonly record?: string;
  readonly expr: string;
}
interface RuleFile {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
}
interface Dashboard {
  readonly uid: string;
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
  readonly templating: { readonly list: readonly { readonly name: string }[] };
}

function readRules(name: string): Rule[] {
  const file: RuleFile = parse(read(`config/prometheus/${name}`));
  return file.groups.flatMap(({ rules }) => rules);
}

function readDashboards(): Dashboard[] {
  return readdirSync(DASHBOARDS).map((name): Dashboard => JSON.parse(readFileSync(join(DASHBOARDS, name), 'utf8')));
}

/** Grafana puts its variables in before it asks; any value does to see whether the rest can be parsed. */
function withoutVariables(expr: string): string {
  return expr.replaceAll(/\$__(?:rate_interval|range)/g, '5m').replaceAll(/\$(?:service|instance)/g, '.*');
}

/** `by (service, le)` names labels. */
function withoutGrouping(expr: string): string {
  return expr.replaceAll(/\b(?:by|without) \([^)]*\)/g, '');
}

test('NATS takes config/nats.conf and config/nats-cluster.conf', async () => {
  const { natsServer, env } = await testPrograms();
  run(natsServer, ['-t', '-c', join(ROOT, 'config/nats.conf')], env);
  const node = { NATS_NAME: 'nats-1', NATS_ROUTES: '[nats-route://nats-2:6222, nats-route://nats-3:6222]' };
  run(natsServer, ['-t', '-c', join(ROOT, 'config/nats-cluster.conf')], { ...env, ...node });
});

withPromtool('Prometheus takes its configuration, and the rules pass their tests', () => {
  run('promtool', ['check', 'config', 'prometheus.yml']);
  run('promtool', ['test', 'rules', 'rules.test.yml']);
});

withPromtool("every query of Grafana's dashboards can be parsed", () => {
  const exprs = readDashboards().flatMap(({ panels }) =>
    panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  );
  assert.ok(exprs.length > 20);
  const rules = exprs.map((expr, index) => ({ record: `query:${index}`, expr: withoutVariables(expr) }));
  const folder = mkdtempSync(join(tmpdir(), 'metrics-test-queries-'));
  try {
    writeFileSync(join(folder, 'queries.yml'), stringify({ groups: [{ name: 'queries', rules }] }));
    run('promtool', ['check', 'rules', join(folder, 'queries.yml')]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('every series that a rule or a dashboard asks for is one that the service or a rule has', () => {
  const documented = new Set(Array.from(read('docs/metrics.md').matchAll(/^\| `([a-z_]+)`/gm), ([, name]) => name));
  const rules = ['recording.rules.yml', 'alerting.rules.yml'].flatMap(readRules);
  const recorded = new Set(rules.map(({ record }) => record));
  const queries = readDashboards().flatMap(({ panels }) => panels.flatMap(({ targets }) => targets));
  const asked = [...rules, ...queries].flatMap(({ expr }) =>
    Array.from(
      withoutGrouping(expr).matchAll(/(?<![\w:$"{,])([a-z]+[a-z_]*[_:][a-z0-9_:]+)(?=[{[) ]|$)/g),
      ([, name]) => name ?? '',
    ),
  );
  const series = new Set(asked.filter((name) => !/^(?:histogram_quantile|label_values)$/.test(name)));
  assert.ok(series.has('http_requests_total') && series.has('service:http_error_ratio:rate5m'), [...series].join(' '));
  const unknown = [...series].filter(
    (name) =>
      !documented.has(name.replace(/_(?:bucket|sum|count)$/, '')) &&
      !recorded.has(name) &&
      !/^(?:process|nodejs)_/.test(name),
  );
  assert.equal(unknown, []);
});

test('dashboards have their own names, and use no variable that they do not define', () => {
  const dashboards = readDashboards();
  assert.is(new Set(dashboards.map(({ uid }) => uid)).size, dashboards.length);
  for (const { panels, templating } of dashboards) {
    const defined = new Set(templating.list.map(({ name }) => name));
    for (const { targets, title } of panels) {
      for (const { expr } of targets) {
        const used = Array.from(expr.matchAll(/\$([a-z]+)/g), ([, name]) => name ?? '');
        assert.equal(
          used.filter((name) => !defined.has(name)),
          [],
          title,
        );
      }
    }
  }
});

interface Compose {
  readonly services: Readonly<Record<string, { readonly image: string; readonly volumes?: readonly string[] }>>;
}

test('docker-compose.yml runs the servers that `npm start` would run, with files that are there', () => {
  const { services }: Compose = parse(read('docker-compose.yml'));
  for (const [kind, { name }] of Object.entries(IMAGES)) assert.is(services[kind]?.image, name);
  const mounted = Object.values(services).flatMap(({ volumes = [] }) =>
    volumes.filter((each) => each.startsWith('./')),
  );
  assert.is(mounted.length, 4);
  for (const volume of mounted) assert.ok(existsSync(join(ROOT, volume.split(':')[0] ?? '')), volume);
});

test.run();
