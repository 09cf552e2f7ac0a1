import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BacktestDocument } from '../../src/alerts/backtest/backtest-document.js';
import { freePort, type ManagedServer } from '../../src/devservices/index.js';
import { type Ended, runHere, runProcess } from '../support/command-line.js';
import { openLog, type TestLog } from '../support/log.js';
import { startTestNats, waitFor } from '../support/servers.js';

const MINUTE_MS = 60_000;
/** Everything is stored now and has happened before, so back-tests here count what came late. */
const END_MS = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 10 * MINUTE_MS;
const FROM = new Date(END_MS - 60 * MINUTE_MS).toISOString();
const TO = new Date(END_MS).toISOString();

const folder = mkdtempSync(join(tmpdir(), 'metrics-test-alerts-'));
const test = suite('alerts on the command line');
let nats: ManagedServer;
let log: TestLog;

test.before(async () => {
  nats = await startTestNats();
  log = await openLog(nats.url);
  await log.appender.appendAll(incident());
  await log.appender.append('metrics.events.user.login', Buffer.from('no JSON'), 'broken');
});

test.after(async () => {
  await log.close();
  await nats.stop();
  rmSync(folder, { recursive: true, force: true });
});

/**
 * Two services, an answer each every ten seconds for an hour; `web` fails from minute 20 to 30. Over a minute, more than
 * half of the answers are errors from 20:45, when five of six are, until 30:30, when three are.
 */
function incident() {
  return Array.from({ length: 360 }, (_, index) => index).flatMap((index) =>
    ['web', 'mail'].map((service) => {
      const atMs = END_MS - 60 * MINUTE_MS + index * 10_000;
      const isBad = service === 'web' && index >= 120 && index < 180;
      const body = {
        endpoint: '/',
        method: 'GET',
        status_code: isBad ? 500 : 200,
        response_time_ms: 10,
        occurred_at: new Date(atMs).toISOString(),
      };
      const payload = Buffer.from(JSON.stringify(body));
      return { id: `${service}-${index}`, subject: `metrics.events.api.${service}`, payload };
    }),
  );
}

function rulesFile(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const RULES = rulesFile('rules.yaml', 'alerts:\n  - {name: errors, condition: error_rate > 0.5, window: 1m}\n');
const TOLERANT = rulesFile(
  'tolerant.yaml',
  'alerts:\n  - {name: errors, condition: error_rate > 0.5, window: 1m, for: 2m}\n  - {name: busy, condition: requests > 5, window: 1m}\n',
);

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return runHere(['alerts', ...args], { NATS_URL: nats.url, ...env });
}

const BACKTEST = ['backtest', '--late', '--from', FROM, '--to', TO, '--rules', RULES];

test('check tells file, line and hint of each problem with 1, and counts the rules of a valid file with 0', async () => {
  const wrong = rulesFile('wrong.yaml', 'alerts:\n  - name: a\n    condition: eror_rate > 1\n    severty: info\n');
  const refused = await runProcess(['alerts', 'check', wrong], {});
  assert.is(refused.status, 1);
  assert.match(refused.stdout, `${wrong}:3: condition: Unknown variable: eror_rate; did you mean error_rate?`);
  assert.match(refused.stdout, `${wrong}:4: severty is no setting`);
  const fine = await run(['check', RULES]);
  assert.is(fine.status, 0, fine.stderr);
  assert.match(fine.stdout, `${RULES}:2: warning: errors: nobody is told of it`);
  assert.match(fine.stdout, `${RULES}: 1 rule, 1 warning`);
  assert.match((await run(['check'])).stdout, 'config/alerts.yaml: 2 rules');
  assert.is((await run(['check', join(folder, 'missing.yaml')])).status, 2);
  const json = JSON.parse((await run(['check', wrong, '--json'])).stdout) as { valid: boolean; problems: unknown[] };
  assert.equal([json.valid, json.problems.length], [false, 2]);
});

test('test plays a file with 0, tells what is not met with 1, and what cannot be read with 2', async () => {
  const cases = (expected: string): string => `rule_file: rules.yaml
tests:
  - name: errors
    input_series: {web: {requests: 10x9, errors: 10x9}}
    expect: [{eval_time: 5m, alerts: [${expected}]}]
`;
  const fine = await run(['test', rulesFile('fine.yaml', cases('{name: errors}'))]);
  assert.equal([fine.status, fine.stderr], [0, '']);
  assert.match(fine.stdout, 'fine.yaml: 1 test passed');
  const failing = await run(['test', rulesFile('failing.yaml', cases(''))]);
  assert.is(failing.status, 1);
  assert.match(failing.stdout, 'failing.yaml:5: errors: at 5m nobody expects errors{service_name="web"');
  const wrong = await run(['test', rulesFile('odd.yaml', cases('{nam: errors}'))]);
  assert.is(wrong.status, 2);
  assert.match(wrong.stderr, 'odd.yaml:5: nam is no setting of an alert');
});

test('a back-test tells every transition, the same at each run, and leaves nothing behind', async () => {
  const first = await runProcess(['alerts', ...BACKTEST], { NATS_URL: nats.url });
  assert.is(first.status, 0, first.stderr);
  assert.match(first.stdout, /firing +errors +web +0\.833333 +9m45s/);
  assert.match(first.stdout, /resolved +errors +web/);
  assert.match(first.stdout, /errors +1 +1 +9m45s/);
  assert.match(
    first.stdout,
    '720 events read, those before --from that the rules look back on among them; 1 messages were no valid events',
  );
  assert.match(first.stderr, /721 events in/);
  const before = await log.manager.streams.info('METRICS');
  const second = await run(BACKTEST);
  assert.is(second.stdout, first.stdout);
  const after = await log.manager.streams.info('METRICS');
  assert.equal([after.state.messages, after.state.consumer_count], [before.state.messages, 0]);
  assert.is((await log.manager.streams.info('METRICS_ALERTS')).state.messages, 0);
});

test('without --late, what was stored too late counts nowhere, and is counted', async () => {
  const { stdout } = await run(['backtest', '--from', '-5m', '--rules', RULES]);
  assert.match(stdout, 'Nothing would have been pending or firing');
});

test('a log that begins after --from is told of, so that silence is not taken for health', async () => {
  const { state } = await log.manager.streams.info('METRICS');
  const beginsAt = new Date(String(state.first_ts)).toISOString();
  // A day unless another beginning is named.
  const asked = await run(['backtest', '--rules', RULES]);
  assert.match(asked.stdout, `The log begins at ${beginsAt}`);
  const json = await run([...BACKTEST, '--json']);
  assert.is((JSON.parse(json.stdout) as BacktestDocument).log.begins_at, null, 'late events are older than the log');
});

test('--diff tells what another file would have told, as text and as JSON', async () => {
  const text = await run([...BACKTEST, '--diff', TOLERANT]);
  assert.match(text.stdout, /^\+ {2}busy +mail/m);
  assert.match(text.stdout, /^< {2}errors +web/m);
  assert.match(text.stdout, /^> {2}errors +web/m);
  assert.match((await run([...BACKTEST, '--diff', RULES])).stdout, 'would have fired at the same times');
  const json = await run([...BACKTEST, '--diff', TOLERANT, '--json']);
  assert.is(json.status, 0, json.stderr);
  const document = JSON.parse(json.stdout) as BacktestDocument;
  assert.equal(
    document.transitions.map(({ to, rule, service_name, length_seconds }) => [to, rule, service_name, length_seconds]),
    [
      ['firing', 'errors', 'web', 585],
      ['resolved', 'errors', 'web', 585],
    ],
  );
  assert.equal(
    document.rules.map(({ rule, alerts, firing_seconds }) => [rule, alerts, firing_seconds]),
    [['errors', 1, 585]],
  );
  const { diff } = document;
  assert.equal([diff?.only_here.length, diff?.only_there.length, diff?.other_times.length], [0, 2, 1]);
  const [pair] = diff?.other_times ?? [];
  const delayedMs = Date.parse(pair?.there.starts_at ?? '') - Date.parse(pair?.here.starts_at ?? '');
  assert.is(delayedMs, 2 * MINUTE_MS);
});

test('what is wrong with the question is told with 2, a server that is away with 3', async () => {
  for (const wrong of [
    ['backtest', '--from', 'yesterday'],
    ['backtest', '--from', '-1h', '--to', '-2h'],
    ['backtest', '--late', '--from', '-8d'],
    ['backtest', '--from', '-1h', '--rules', join(folder, 'missing.yaml')],
    ['nothing'],
    ['test'],
  ]) {
    const { status, stderr } = await run(wrong);
    assert.is(status, 2, wrong.join(' '));
    assert.not.match(stderr, /^ +at /m);
  }
  const away = await run(['backtest', '--from', '-1h'], { NATS_URL: `nats://127.0.0.1:${await freePort()}` });
  assert.is(away.status, 3);
  assert.not.match(away.stderr, /^ +at /m);
});

test('a log that is not there is told with 3', async () => {
  const empty = await startTestNats();
  const { status, stderr } = await run(['backtest', '--from', '-1h'], { NATS_URL: empty.url });
  await waitFor('the server to stop', async () => {
    await empty.stop();
    return true;
  });
  assert.is(status, 3);
  assert.match(stderr, 'stream not found');
});

test.run();
