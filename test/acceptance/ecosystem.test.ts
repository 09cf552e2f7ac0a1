import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse, stringify } from 'yaml';
import { IMAGES } from '../../src/devservices/images.js';
import { makeCertificates } from '../support/certificates.js';
import { readDashboards, readQueries, withoutVariables } from '../support/dashboards.js';
import { isInstalled } from '../support/prometheus-server.js';
import { testPrograms } from '../support/servers.js';

const ROOT = join(import.meta.dirname, '../../..');
const PROMETHEUS = join(ROOT, 'config/prometheus');

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
  readonly alert?: string;
  readonly labels?: { readonly severity: string };
  readonly expr: string;
}
interface RuleFile {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
}
function readRules(name: string): Rule[] {
  const file: RuleFile = parse(read(`config/prometheus/${name}`));
  return file.groups.flatMap(({ rules }) => rules);
}

/** `by (service, le)` names labels. */
function withoutGrouping(expr: string): string {
  return expr.replaceAll(/\b(?:by|without) \([^)]*\)/g, '');
}

// With certificates in their places: nats-server looks at them, too.
test('NATS takes config/nats-development.conf, config/nats.conf and config/nats-cluster.conf', async () => {
  const { natsServer, env } = await testPrograms();
  run(natsServer, ['-t', '-c', join(ROOT, 'config/nats-development.conf')], env);
  const folder = mkdtempSync(join(tmpdir(), 'metrics-test-nats-'));
  try {
    await makeCertificates(folder);
    for (const name of ['nats.conf', 'nats-cluster.conf']) {
      writeFileSync(join(folder, name), read(`config/${name}`).replaceAll('/etc/nats/tls', folder));
    }
    run(natsServer, ['-t', '-c', join(folder, 'nats.conf')], env);
    const node = { NATS_NAME: 'nats-1', NATS_ROUTES: '[tls://nats-2:6222, tls://nats-3:6222]' };
    run(natsServer, ['-t', '-c', join(folder, 'nats-cluster.conf')], { ...env, ...node });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

withPromtool('Prometheus takes its configuration, and the rules pass their tests', () => {
  run('promtool', ['check', 'config', 'prometheus.yml']);
  run('promtool', ['test', 'rules', 'rules.test.yml']);
});

interface AlertTest {
  readonly alertname: string;
  readonly exp_alerts: readonly unknown[];
}
interface RuleTests {
  readonly tests: readonly {
    readonly promql_expr_test?: readonly { readonly expr: string }[];
    readonly alert_rule_test?: readonly AlertTest[];
  }[];
}

test('every alerting rule is tested where it fires and where it does not, every recording rule too', () => {
  const { tests }: RuleTests = parse(read('config/prometheus/rules.test.yml'));
  const rows = tests.flatMap(({ alert_rule_test: of = [] }) => of);
  const names = (fires: boolean): string[] =>
    [...new Set(rows.filter(({ exp_alerts: of }) => of.length > 0 === fires).map(({ alertname }) => alertname))].sort();
  const alerts = readRules('alerting.rules.yml').flatMap(({ alert }) => alert ?? []);
  assert.equal(names(true), [...alerts].sort());
  assert.equal(names(false), [...alerts].sort());
  const queries = tests.flatMap(({ promql_expr_test: of = [] }) => of.map(({ expr }) => expr)).join(' ');
  const recorded = readRules('recording.rules.yml').flatMap(({ record }) => record ?? []);
  assert.equal(
    recorded.filter((name) => !queries.includes(name)),
    [],
  );
});

test('the rules of config/alerts.yaml are there for Prometheus, with their severity', () => {
  const ours: { alerts: { name: string; severity: string }[] } = parse(read('config/alerts.yaml'));
  assert.ok(ours.alerts.length > 0);
  const theirs = new Map(readRules('alerting.rules.yml').map(({ alert, labels }) => [alert, labels?.severity]));
  for (const { name, severity } of ours.alerts) assert.is(theirs.get(name), severity, name);
});

withPromtool("every query of Grafana's dashboards can be parsed", () => {
  const queries = readQueries();
  assert.ok(queries.length > 20);
  const rules = queries.map(({ expr }, index) => ({ record: `query:${index}`, expr: withoutVariables(expr) }));
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
  const asked = [...rules, ...readQueries()].flatMap(({ expr }) =>
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

interface ComposeService {
  readonly image: string;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly read_only?: boolean;
  readonly restart?: string;
  readonly mem_limit?: string;
  readonly pids_limit?: number;
  readonly stop_grace_period?: string;
  readonly healthcheck?: object;
  readonly depends_on?: unknown;
}

function readCompose(): Readonly<Record<string, ComposeService>> {
  const { services }: { services: Record<string, ComposeService> } = parse(read('docker-compose.yml'), { merge: true });
  return services;
}

test('docker-compose.yml runs the servers that `npm start` would run, with files that are there', () => {
  const services = readCompose();
  for (const [kind, { name }] of Object.entries(IMAGES)) assert.is(services[kind]?.image, name);
  const mounted = Object.values(services).flatMap(({ volumes = [] }) =>
    volumes.filter((each) => each.startsWith('./')),
  );
  assert.is(mounted.length, 5);
  for (const volume of mounted) {
    assert.ok(existsSync(join(ROOT, volume.split(':')[0] ?? '')), volume);
    assert.match(volume, /:ro$/);
  }
});

test('each of its containers may do what it has to and no more, has limits, and is published here alone', () => {
  const services = Object.entries(readCompose());
  assert.is(services.length, 6);
  for (const [name, service] of services) {
    assert.equal(service.cap_drop, ['ALL'], name);
    assert.equal(service.security_opt, ['no-new-privileges:true'], name);
    assert.is(service.restart, 'unless-stopped', name);
    assert.match(service.mem_limit ?? '', /^\d+[gm]$/, name);
    assert.ok(service.pids_limit !== undefined && service.stop_grace_period !== undefined, name);
    for (const port of service.ports ?? []) assert.match(port, /^127\.0\.0\.1:/, name);
    // The service's image has a health check of its own.
    if (name === 'metrics-service') continue;
    assert.ok(service.healthcheck !== undefined, name);
    assert.match(service.image, /:v?\d+\.?[\d.]*(?:-\w+)?$/, name);
  }
  // Grafana unpacks plugins into its own tree.
  const writable = services.filter(([, service]) => service.read_only !== true).map(([name]) => name);
  assert.equal(writable, ['grafana']);
  const [, own] = services.find(([name]) => name === 'metrics-service') ?? [];
  const healthy = { condition: 'service_healthy' };
  assert.equal(own?.depends_on, { nats: healthy, postgres: healthy, redis: healthy });
});

/** Not handed on by docker-compose.yml: where its own servers are, how it listens and divides work, and files, which are in config/. */
const NOT_HANDED_ON = [
  'PORT',
  'HOST',
  'ROLE',
  'NATS_CREDS',
  'NATS_NKEY',
  'NATS_TOKEN',
  'NATS_TLS_CA',
  'NATS_TLS_CERT',
  'NATS_TLS_KEY',
  'NATS_INBOX_PREFIX',
  'REDIS_PORT',
  'REDIS_USERNAME',
  'REDIS_PASSWORD',
  'REDIS_DB',
  'REDIS_TLS',
  'REDIS_TLS_CA',
  'REDIS_TLS_CERT',
  'REDIS_TLS_KEY',
  'METRICS_STREAM_REPLICAS',
  'SOURCES_FILE',
  'BUSINESS_FILE',
  'ALERTS_FILE',
];

test('docker-compose.yml hands on every variable of .env.example that can differ there', () => {
  const names = Array.from(read('.env.example').matchAll(/^#([A-Z_]+)=/gm), ([, name]) => name ?? '');
  const { environment = {} } = readCompose()['metrics-service'] ?? {};
  assert.equal(names.filter((name) => !(name in environment)).sort(), [...NOT_HANDED_ON].sort());
  const own = new Set(['NATS_URL', 'DATABASE_URL', 'REDIS_HOST']);
  for (const [name, value] of Object.entries(environment)) {
    if (!own.has(name)) assert.match(value, new RegExp(`^\\$\\{${name}(?::-|\\?)`), name);
  }
});

test.run();
