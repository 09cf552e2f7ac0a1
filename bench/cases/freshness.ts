import { setTimeout as sleep } from 'node:timers/promises';
import type { Summary } from '../../src/queries/summary.js';
import { startTestServers } from '../../test/support/service.js';
import { ServiceProcess } from '../../test/support/service-process.js';
import type { BenchOptions, Figure, FigureCase } from '../harness/case.js';
import { BenchClient } from '../http-client.js';
import { untilAnswering } from '../ready.js';

const RATE = 5_000;
const SECONDS = 30;
const QUICK_SECONDS = 5;
const CONNECTIONS = 64;
const TICK_MS = 10;
const POLL_INTERVAL_MS = 5;
const CATCH_UP_TIMEOUT_MS = 30_000;

export const freshness: FigureCase = {
  name: 'freshness',
  title: `from the 202 to the summary, at ${RATE} events/s`,
  measure: ({ quick }: BenchOptions) => measureFreshness(RATE, quick ? QUICK_SECONDS : SECONDS),
};

/** Posts events one by one at a rate (events a second), and looks at the summary every few milliseconds meanwhile. */
export async function measureFreshness(rate: number, seconds: number): Promise<readonly Figure[]> {
  const servers = await startTestServers();
  const service = await ServiceProcess.create(servers.env);
  try {
    await service.start();
    // A first start answers from Postgres until the summaries are built; that is not what is measured.
    await untilAnswering(service.port);
    const [client, watcher] = [await BenchClient.of(service.port, CONNECTIONS), await BenchClient.of(service.port, 1)];
    const total = rate * seconds;
    const startedMs = performance.now();
    const [{ acknowledgedAt, tookMs }, visibleAt] = await Promise.all([
      postAtRate(client, rate, total).then((map) => ({
        acknowledgedAt: map,
        tookMs: performance.now() - startedMs,
      })),
      watchSummary(watcher, total, seconds),
    ]);
    client.close();
    watcher.close();
    const delays = [...acknowledgedAt]
      .map(([sequence, ms]) => Math.max(0, (visibleAt[sequence - 1] ?? Number.NaN) - ms))
      .sort((a, b) => a - b);
    const at = (share: number): number => delays[Math.ceil(share * delays.length) - 1] ?? Number.NaN;
    return [
      { what: 'half of the events were visible within', value: at(0.5), unit: 'ms', goal: { atMost: 100 } },
      { what: '99 % within', value: at(0.99), unit: 'ms', goal: { atMost: 300 } },
      { what: 'all within', value: at(1), unit: 'ms' },
      {
        what: 'events acknowledged',
        value: total / (tookMs / 1000),
        unit: 'events/s',
        // Where the machine cannot keep the rate, the times are those of another one.
        goal: { atLeast: rate * 0.95 },
      },
    ];
  } finally {
    await service.end('SIGTERM');
    await servers.stop();
  }
}

/** @returns times (ms) of the 202 by stream sequence, which is also the number of logins up to it: nothing else is sent */
async function postAtRate(client: BenchClient, rate: number, total: number): Promise<ReadonlyMap<number, number>> {
  const acknowledgedAt = new Map<number, number>();
  const postOne = async (index: number): Promise<void> => {
    const answer = await client.send('POST', '/metrics/events', `{"event_type":"user_login","user_id":${index}}`);
    acknowledgedAt.set((JSON.parse(answer) as { sequence: number }).sequence, performance.now());
  };
  const startedMs = performance.now();
  const posts: Promise<void>[] = [];
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - startedMs) / 1000) * rate));
    for (; sent < due; sent += 1) posts.push(postOne(sent));
    await sleep(TICK_MS);
  }
  await Promise.all(posts);
  return acknowledgedAt;
}

/** @returns when (ms) each count of logins was first seen. @throws where not all are seen in time */
async function watchSummary(client: BenchClient, total: number, seconds: number): Promise<readonly number[]> {
  const visibleAt: number[] = [];
  const deadlineMs = performance.now() + seconds * 1000 + CATCH_UP_TIMEOUT_MS;
  while (visibleAt.length < total && performance.now() < deadlineMs) {
    const { users } = JSON.parse(await client.send('GET', '/metrics/summary?window=1h')) as Summary;
    while (visibleAt.length < users.logins) visibleAt.push(performance.now());
    await sleep(POLL_INTERVAL_MS);
  }
  if (visibleAt.length < total) throw new Error(`Only ${visibleAt.length} of ${total} events became visible`);
  return visibleAt;
}
