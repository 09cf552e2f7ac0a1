// How long after its 202 an event is in the summary: `npm run bench:freshness -- [events per second] [seconds]`.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Summary } from '../src/queries/summary.js';
import { waitFor } from '../test/support/servers.js';
import { startTestServers } from '../test/support/service.js';
import { ServiceProcess } from '../test/support/service-process.js';
import { BenchClient } from './http-client.js';

const [rate = 1_000, seconds = 10] = process.argv.slice(2).map(Number);
const CONNECTIONS = 64;
const TICK_MS = 10;
const POLL_INTERVAL_MS = 5;
const CATCH_UP_TIMEOUT_MS = 30_000;

/** Times (ms) by stream sequence, which is also the number of logins up to it: nothing else is sent. */
const acknowledgedAt = new Map<number, number>();
const visibleAt: number[] = [];

async function postAtRate(client: BenchClient): Promise<number> {
  const total = rate * seconds;
  const startedMs = performance.now();
  const posts: Promise<void>[] = [];
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - startedMs) / 1000) * rate));
    for (; sent < due; sent += 1) posts.push(postOne(client, sent));
    await sleep(TICK_MS);
  }
  await Promise.all(posts);
  return total;
}

async function postOne(client: BenchClient, index: number): Promise<void> {
  const answer = await client.send('POST', '/metrics/events', `{"event_type":"user_login","user_id":${index}}`);
  acknowledgedAt.set((JSON.parse(answer) as { sequence: number }).sequence, performance.now());
}

/** Notes when each count of logins was first seen, until `total` are. */
async function watchSummary(client: BenchClient, total: () => number): Promise<void> {
  const deadlineMs = performance.now() + seconds * 1000 + CATCH_UP_TIMEOUT_MS;
  while (visibleAt.length < total() && performance.now() < deadlineMs) {
    const { users } = JSON.parse(await client.send('GET', '/metrics/summary?window=1h')) as Summary;
    while (visibleAt.length < users.logins) visibleAt.push(performance.now());
    await sleep(POLL_INTERVAL_MS);
  }
  if (visibleAt.length < total()) throw new Error(`Only ${visibleAt.length} of ${total()} events became visible`);
}

const servers = await startTestServers();
const service = await ServiceProcess.create(servers.env);
try {
  await service.start();
  const client = await BenchClient.of(service.port, CONNECTIONS);
  // A connection of its own, so that a look does not wait behind posts in this process.
  const watcher = await BenchClient.of(service.port, 1);
  // A first start answers from Postgres until the summaries are built; that is not what is measured.
  await waitFor('summaries', async () => {
    const { source } = JSON.parse(await watcher.send('GET', '/metrics/summary?window=1h')) as Summary;
    return source === 'redis' ? true : undefined;
  });
  let total = Number.POSITIVE_INFINITY;
  const watching = watchSummary(watcher, () => total);
  total = await postAtRate(client);
  await watching;
  client.close();
  watcher.close();
  const delays = [...acknowledgedAt]
    .map(([sequence, ms]) => Math.max(0, (visibleAt[sequence - 1] ?? Number.NaN) - ms))
    .sort((a, b) => a - b);
  const at = (share: number): string => (delays[Math.ceil(share * delays.length) - 1] ?? Number.NaN).toFixed(0);
  console.log(
    `${total} events at ${rate}/s: from the 202 to the summary p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`,
  );
} finally {
  await service.end('SIGTERM');
  await servers.stop();
}
