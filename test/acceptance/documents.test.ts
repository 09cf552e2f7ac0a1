import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { freePort } from '../../src/devservices/index.js';
import { type Ended, runHere } from '../support/command-line.js';
import { untilEnded } from '../support/consumer.js';
import { documented } from '../support/documented.js';
import { openLog } from '../support/log.js';
import { npmScript } from '../support/npm-script.js';
import { copyProject } from '../support/project-copy.js';
import { waitFor } from '../support/servers.js';
import { startTestServers, TestClient, type TestServers } from '../support/service.js';

const BOUND_MS = 60_000;
/** As many as it takes for README's number of one to be there. */
const DEAD_LETTERS = 17;
const REQUESTS = 40;
/** All else stands in the folder's .env. */
const ENVIRONMENT = { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE };

/** How each command ends, and what it prints. One that no line fits fails. */
const ENDS: readonly (readonly [command: RegExp, printed: RegExp, status?: number])[] = [
  [/^status$/, /METRICS_DEADLETTERS/],
  [/^verify$/, /Redis .*: equal/],
  [/^rebuild (?:all|system_metrics|user_events|api_metrics)$/, /Swapped at \d+/],
  [/^rebuild all --dry-run$/, /user_events .*: equal/],
  [/^rebuild summaries$/, /./],
  [/^token /, /^[\w-]+\.[\w-]+\.[\w-]+\n$/],
  [/^migrate$/, /up to date/],
  [/^erase --user 42$/, /redis +forgotten/],
  [/^deadletters list --from -1h$/, /17 in all.*invalid_json 17/],
  [/^deadletters show 17$/, /no JSON 17/],
  // It ends with 1, since no decoder takes what is no JSON.
  [/^deadletters replay --all --dry-run$/, /would be replayed 0, would stay 17/, 1],
  [/^deadletters drop --reason invalid_json --yes$/, /dropped 17/],
  [/^alerts check/, /alerts\.yaml: 2 rules/],
  [/^alerts test/, /alerts\.test\.yaml: \d+ tests passed/],
  [/^alerts backtest/, /high_error_rate/],
];

const test = suite('the documents');
let folder = '';
let servers: TestServers;
let env: Record<string, string> = {};
let serving: ChildProcess | undefined;
let client: TestClient;

test.before(async () => {
  servers = await startTestServers();
  // A folder whose .env is the reader's own.
  folder = copyProject();
  const [line = ''] = documented('README.md', 'With Docker', 'shell', 1);
  await shell(line);
  const { JWT_SECRET: _own, ...named } = servers.env;
  const port = String(await freePort());
  const lines = Object.entries({ ...named, ALERT_EVALUATION_INTERVAL: '1', LOG_LEVEL: 'INFO', PORT: port }).map(
    ([name, value]) => `${name}=${value}\n`,
  );
  writeFileSync(join(folder, '.env'), lines.join(''), { flag: 'a' });
  env = Object.fromEntries(
    Object.entries(parseEnv(readFileSync(join(folder, '.env'), 'utf8'))).map(([name, value = '']) => [name, value]),
  );
  client = new TestClient(`http://127.0.0.1:${port}`, (await shell('bin/metrics token')).trim());
});
test.after(async () => {
  await end();
  await servers?.stop();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** Ends the service as its supervisor would; answers its status. */
async function end(): Promise<number | null | undefined> {
  const child = serving;
  if (child === undefined || child.exitCode !== null) return child?.exitCode;
  child.kill('SIGTERM');
  await waitFor('its end', () => (child.exitCode === null ? undefined : true), BOUND_MS);
  return child.exitCode;
}

/** What a line prints that is typed in the folder. @throws where it fails */
async function shell(line: string, variables: Readonly<Record<string, string>> = {}): Promise<string> {
  const child = spawn('bash', ['-euc', line], {
    cwd: folder,
    env: { ...ENVIRONMENT, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { code, output } = await untilEnded(child);
  assert.is(code, 0, `${line}\n${output}`);
  return output;
}

/** The arguments of a command as a document has it; what stands for a file or a time becomes one. */
function argumentsOf(line: string): string[] {
  const file = line.includes('alerts test') ? 'config/alerts.test.yaml' : 'config/alerts.yaml';
  const filled = line
    .replaceAll(/[[\]…]/g, '')
    .replace('FILE', file)
    .replace('--to TIME', '--to -1m');
  const words = filled.replaceAll('TIME', '-1h').split(/\s+/);
  return words.slice(words[0] === 'npm' ? 4 : 1);
}

async function run(line: string): Promise<Ended> {
  return await runHere(argumentsOf(line), env);
}

async function untilFolded(): Promise<void> {
  const isFolded = async (): Promise<true | undefined> => {
    const { projections } = (await client.get('/health/detailed')).json() as {
      projections: { lag_events: number | null; sequence: number | null }[];
    };
    return projections.every(({ lag_events, sequence }) => lag_events === 0 && sequence !== 0) || undefined;
  };
  await waitFor('the fold', isFolded, BOUND_MS);
}

test('README: serve serves, with the servers of .env, and reads the rules again on SIGHUP', async () => {
  const [line = ''] = documented('README.md', 'Operating', 'metrics').filter((each) => each.endsWith(' serve'));
  const [script = '', words = ''] = line.split(' -- ');
  serving = spawn(process.execPath, [...npmScript(script), ...words.split(' ')], {
    cwd: folder,
    env: ENVIRONMENT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  serving.stdout?.on('data', (data: Buffer) => {
    output += data.toString();
  });
  const logged = (text: string): Promise<unknown> =>
    waitFor(
      text,
      () => {
        assert.is(serving?.exitCode, null, output);
        return output.includes(text) || undefined;
      },
      BOUND_MS,
    );
  await logged('Alerts are evaluated');
  serving.kill('SIGHUP');
  await logged('Rules of alerts were read');
  await waitFor('its answer', async () => (await fetch(`${client.url}/health`)).ok || undefined, BOUND_MS);
});

test('docs/alerts.md: an alert is listed, acknowledged and silenced by the lines that stand there', async () => {
  const error = { kind: 'api', service_name: 'billing', endpoint: '/pay', method: 'POST', user_id: 42 };
  const events = Array.from({ length: REQUESTS }, () => ({ ...error, status_code: 503, response_time_ms: 9 }));
  assert.is((await client.post('/metrics/events/batch', { events })).status, 202);
  const [tokenLine = ''] = documented('docs/alerts.md', 'Seeing, acknowledging, silencing', 'metrics', 1);
  const TOKEN = (await shell(`${tokenLine}; echo "$TOKEN"`)).trim();
  const lines = documented('docs/alerts.md', 'Seeing, acknowledging, silencing', 'curl', 4);
  const curl = async (index: number, variables: Record<string, string> = {}): Promise<Record<string, unknown>> => {
    const line = (lines[index] ?? '').replace('curl', 'curl -sS --fail').replace('localhost:8005', client.url);
    const printed = await shell(line, { TOKEN, ...variables });
    return printed === '' ? {} : JSON.parse(printed);
  };
  const alert = await waitFor(
    'the alert',
    async () =>
      ((await curl(0)).alerts as { id: string; name: string }[]).find((each) => each.name === 'high_error_rate'),
    BOUND_MS,
  );
  await curl(1, { ID: alert.id });
  const { id } = await curl(2);
  assert.type(id, 'string');
  await curl(3, { SILENCE: String(id) });
});

test('docs/grafana.md: its token reads what the data source and the panels ask for', async () => {
  const [line = ''] = documented('docs/grafana.md', 'By way of GET /metrics/dashboard', 'metrics', 1);
  const reader = new TestClient(client.url, (await run(line)).stdout.trim());
  const [source = ''] = documented('docs/grafana.md', 'By way of GET /metrics/dashboard', 'yaml', 1);
  const [{ url, jsonData }] = parse(source).datasources;
  assert.equal(jsonData.allowedHosts, [url]);
  assert.is((await reader.get(jsonData.customHealthCheckUrl.replace(url, ''))).status, 200);
  const [path = ''] = documented('docs/grafana.md', 'By way of GET /metrics/dashboard', 'text', 1);
  const times: Record<string, number> = { from: Date.now() - 3_600_000, to: Date.now() };
  const asked = path
    .trim()
    .replaceAll(/\$\{__(\w+):date:iso\}/g, (_, name) => new Date(times[name] ?? 0).toISOString());
  assert.is((await reader.get(asked)).status, 200);
});

test('README: what Prometheus is told to scrape is there', async () => {
  const [config = ''] = documented('README.md', 'Prometheus and Grafana', 'yaml', 1);
  const [job] = parse(config).scrape_configs;
  assert.equal(job.static_configs, [{ targets: ['localhost:8005'] }]);
  const answer = await client.send('GET', job.metrics_path, undefined, { authorization: '', accept: 'text/plain' });
  assert.is(answer.status, 200);
  assert.match(answer.text, 'http_requests_total');
});

test('every command is run, in the order in which it stands there, and does what is said', async () => {
  const log = await openLog(servers.nats.url);
  for (let number = 1; number <= DEAD_LETTERS; number += 1) {
    await log.appender.append('metrics.events.user.user_login', Buffer.from(`no JSON ${number}`), `bad-${number}`);
  }
  const parked = async (): Promise<true | undefined> =>
    (await log.manager.streams.info('METRICS_DEADLETTERS')).state.messages === DEAD_LETTERS || undefined;
  await waitFor('the dead letters', parked, BOUND_MS);
  await log.close();
  await untilFolded();
  const lines = [...documented('README.md', '*', 'metrics'), ...documented('docs/alerts.md', '*', 'metrics')];
  // Those that have run above.
  const left = lines.filter((line) => !/ serve$|^TOKEN=/.test(line));
  for (const line of new Set(left)) {
    const command = argumentsOf(line).join(' ');
    const [, printed, status = 0] = ENDS.find(([pattern]) => pattern.test(command)) ?? [];
    assert.ok(printed, `nothing is known of ${line}`);
    const ended = await run(line);
    assert.is(ended.status, status, `${line}\n${ended.stdout}${ended.stderr}`);
    assert.match(ended.stdout, printed, line);
  }
});

test('docs/alerts.md: its rules are valid, its test passes, and its mistake is told so', async () => {
  const written = mkdtempSync(join(folder, 'rules-'));
  const write = (name: string, text: string): string => {
    writeFileSync(join(written, name), text);
    return join(written, name);
  };
  const [rules = ''] = documented('docs/alerts.md', 'Alerts', 'yaml', 1);
  assert.is((await runHere(['alerts', 'check', write('alerts.yaml', rules)], env)).status, 0);
  const [played = ''] = documented('docs/alerts.md', 'metrics alerts test FILE…', 'yaml', 1);
  const ended = await runHere(['alerts', 'test', write('alerts.test.yaml', played)], env);
  assert.is(ended.status, 0, ended.stdout);
  const [slow = ''] = documented('docs/alerts.md', 'Hysteresis', 'yaml', 1);
  assert.is((await runHere(['alerts', 'check', write('slow.yaml', `alerts:\n${slow}`)], env)).status, 0);
  const [told = ''] = documented('docs/alerts.md', 'metrics alerts check [FILE]', 'text', 1);
  const wrong = write('wrong.yaml', rules.replace('error_rate >', 'eror_rate >'));
  const { stdout } = await runHere(['alerts', 'check', wrong], env);
  assert.match(stdout, told.trim().replace('config/alerts.yaml', wrong));
});

test('serve ends with 0 when it is told to', async () => {
  assert.is(await end(), 0);
});

test.run();
