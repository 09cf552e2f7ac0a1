import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BacktestDocument } from '../../../src/alerts/backtest/backtest-document.js';
import { AlertProcess, INTERVAL_MS, publishedAlerts, rulesOf } from '../../support/alert-process.js';
import { appendRequests } from '../../support/incident.js';
import { openLog } from '../../support/log.js';
import { MAIN } from '../../support/programs.js';
import { SeededRandom } from '../../support/random.js';
import { same } from '../../support/same.js';
import { startTestNats, waitFor } from '../../support/servers.js';

/** Ten minutes where everything is to be tried in full. */
const SECONDS = process.env.METRICS_FAULTS === 'full' ? 600 : 20;
const RULES = `alerts:
  - {name: errors, condition: error_rate > 0.3, window: 2s}
  - {name: errors_for, condition: error_rate > 0.3, window: 2s, for: 2s, keep_firing_for: 2s}
  - {name: hysteresis, condition: error_rate > 0.5, resolve_condition: error_rate < 0.1, window: 3s}
  - {name: silent, condition: seconds_since_seen > 2}
  - {name: slow, condition: p95_response_time > 3 && requests > 20, window: 4s}
  - {name: busy, condition: requests > 40, window: 1s, by: none}
`;

const test = suite('an incident, live and in a back-test');
const random = SeededRandom.announced('an incident, live and in a back-test');

test('what was published while it happened is what a back-test tells, twice the same', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'metrics-test-backtest-'));
  const nats = await startTestNats();
  const log = await openLog(nats.url);
  const live = new AlertProcess(log);
  try {
    const file = join(folder, 'rules.yaml');
    writeFileSync(file, RULES);
    await live.start(rulesOf(RULES));
    await evaluatedUntil(live, 1);
    const fromMs = Math.floor(Date.now() / INTERVAL_MS) * INTERVAL_MS;
    for (let second = 0; second < SECONDS; second += 1) {
      for (const service of ['billing', 'mail', 'web']) {
        if (random.next() < 0.25) continue;
        // Some are dated a little back, though not to before evaluation began, and some come too late to count.
        const occurredAtMs = Date.now() - random.pick([0, 0, 0, second < 4 ? 0 : 2_000, 60_000]);
        const errorRate = random.pick([0, 0.2, 0.45, 0.8]);
        await appendRequests(log, service, { count: random.integer(5, 25), errorRate, occurredAtMs });
      }
      await waitFor('the next second', () => (Date.now() >= fromMs + (second + 1) * 1_000 ? true : undefined), 5_000);
    }
    const toMs = Math.floor(Date.now() / INTERVAL_MS) * INTERVAL_MS;
    await evaluatedUntil(live, toMs);

    const backtest = (): string =>
      execFileSync(
        process.execPath,
        [MAIN, 'alerts', 'backtest', '--json', '--rules', file, '--from', time(fromMs), '--to', time(toMs)],
        {
          cwd: folder,
          encoding: 'utf8',
          env: { PATH: process.env.PATH, NATS_URL: nats.url, ALERT_EVALUATION_INTERVAL: String(INTERVAL_MS / 1000) },
          stdio: ['ignore', 'pipe', 'ignore'],
        },
      );
    const first = backtest();
    assert.ok(backtest() === first, 'two back-tests differ');
    const { transitions, log: read } = JSON.parse(first) as BacktestDocument;
    assert.ok(read.late > 0, 'some events were late');
    const published = await publishedAlerts(log);
    const told = transitions
      .filter(({ to }) => to === 'firing' || to === 'resolved')
      .map(({ at, rule, service_name, to, starts_at, value }) => [at, rule, service_name, to, starts_at, value]);
    assert.ok(told.length > SECONDS / 2, `${told.length} transitions`);
    same(
      published
        .filter(({ evaluated_at }) => Date.parse(evaluated_at) <= toMs)
        .map(({ evaluated_at, name, labels, status, starts_at, value }) => [
          evaluated_at,
          name,
          labels.service_name ?? null,
          status,
          starts_at,
          value,
        ]),
      told,
    );
  } finally {
    await live.stop();
    await log.close();
    await nats.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

function time(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

async function evaluatedUntil({ metrics }: AlertProcess, timeMs: number): Promise<void> {
  await waitFor(
    'the evaluation',
    async () => (((await metrics.alertEvaluatedUntil.get()).values[0]?.value ?? 0) * 1000 >= timeMs ? true : undefined),
    30_000,
  );
}

test.run();
