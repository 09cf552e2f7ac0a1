import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../../src/devservices/index.js';
import { findStream } from '../../src/stream/streams.js';
import { describedAlert, publishedAlerts, rulesOf, transitionsOfLog } from '../support/alert-process.js';
import { appendRequests } from '../support/incident.js';
import { openLog, type TestLog } from '../support/log.js';
import { SeededRandom } from '../support/random.js';
import { startTestNats, waitFor } from '../support/servers.js';
import { TEST_SECRET } from '../support/service.js';
import { ServiceProcess } from '../support/service-process.js';

const test = suite('Processes that evaluate alerts are killed');
const random = SeededRandom.announced('alerts killed');

const FULL = process.env.METRICS_FAULTS === 'full';
const KILLS = FULL ? 50 : 6;
const MIN_LIFE_MS = 500;
const MAX_LIFE_MS = 3_000;
const CATCH_UP_MS = 30_000;
const RULES = `
alerts:
  - { name: errors, condition: error_rate > 0.3, window: 2s }
  - { name: errors_for, condition: error_rate > 0.3, window: 2s, for: 2s, keep_firing_for: 2s }
  - { name: silent, condition: seconds_since_seen > 2 }
`;

async function hasState({ manager }: TestLog): Promise<true | undefined> {
  return ((await findStream(manager, 'METRICS_ALERT_STATE'))?.state.last_seq ?? 0) > 0 ? true : undefined;
}

/** How far evaluation has come, as it says of itself. */
async function evaluatedUntilMs(port: number): Promise<number> {
  const scrape = await (await fetch(`http://127.0.0.1:${port}/metrics/prometheus`)).text();
  return Number(/^metrics_service_alert_evaluated_until_seconds (\S+)$/m.exec(scrape)?.[1] ?? 0) * 1000;
}

test(`two of them, ${KILLS} times with SIGKILL, without Postgres or Redis: each transition once, at its time`, async () => {
  const nats = await startTestNats();
  const log = await openLog(nats.url);
  const folder = mkdtempSync(join(tmpdir(), 'metrics-alerts-killed-'));
  const file = join(folder, 'alerts.yaml');
  writeFileSync(file, RULES);
  const nobody = await freePort();
  const env = {
    HOST: '127.0.0.1',
    LOG_LEVEL: process.env.METRICS_TEST_LOG_LEVEL ?? 'ERROR',
    ROLE: 'alerts',
    NATS_URL: nats.url,
    DATABASE_URL: `postgresql://nobody@127.0.0.1:${nobody}/nothing`,
    REDIS_HOST: '127.0.0.1',
    REDIS_PORT: String(nobody),
    JWT_SECRET: TEST_SECRET,
    ALERTS_FILE: file,
    ALERT_EVALUATION_INTERVAL: '1',
  };
  const processes = [await ServiceProcess.create(env), await ServiceProcess.create(env)] as const;
  try {
    for (const each of processes) await each.start();
    await waitFor('the first state', () => hasState(log), CATCH_UP_MS);
    const fromMs = Date.now();
    let kills = 0;
    const killing = (async () => {
      for (; kills < KILLS; kills += 1) {
        const victim = random.pick([processes[0], processes[1]]);
        const lifeMs = random.integer(MIN_LIFE_MS, MAX_LIFE_MS);
        await new Promise((resolve) => setTimeout(resolve, lifeMs));
        await victim.end('SIGKILL');
        victim.spawn();
      }
    })();
    while (kills < KILLS) {
      for (const service of ['billing', 'mail', 'web']) {
        if (random.next() < 0.3) continue;
        await appendRequests(log, service, { count: random.integer(2, 9), errorRate: random.pick([0, 0.2, 0.5, 0.8]) });
      }
      const nextMs = Date.now() + 500;
      await waitFor('the next half second', () => (Date.now() >= nextMs ? true : undefined));
    }
    await killing;
    const toMs = Math.floor(Date.now() / 1_000) * 1_000;
    for (const each of processes) {
      await each.ready();
      const evaluated = async () => ((await evaluatedUntilMs(each.port)) >= toMs ? true : undefined);
      await waitFor('the evaluation', evaluated, CATCH_UP_MS);
    }
    const expected = await transitionsOfLog(log, rulesOf(RULES), { fromMs, toMs });
    const published = (await publishedAlerts(log)).filter(({ evaluated_at }) => Date.parse(evaluated_at) <= toMs);
    assert.ok(expected.length > KILLS, `${expected.length} transitions`);
    assert.equal(published.map(describedAlert).sort(), expected.sort());
    console.log(`killed ${kills} times; ${published.length} transitions, each once`);
  } finally {
    for (const each of processes) await each.end('SIGKILL');
    await log.close();
    await nats.stop();
    rmSync(folder, { recursive: true });
  }
});

test.run();
