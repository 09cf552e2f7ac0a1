/**
 * What rules of alerts cost: `npm run bench:alerts -- [events] [rules of the back-test] [rules] [services]`.
 * A back-test of a log in JetStream, beside reading the same log without rules; and one evaluation of many rules over many
 * services.
 */
import { AlertEngine } from '../src/alerts/alert-engine.js';
import { Backtest } from '../src/alerts/backtest/backtest.js';
import { type RangeReader, readRange } from '../src/alerts/backtest/read-range.js';
import { lookbackMs } from '../src/alerts/lookback.js';
import { parseRules } from '../src/alerts/parse-rules.js';
import type { AlertRule } from '../src/alerts/rule.js';
import { encodeBody } from '../src/events/codec.js';
import type { EventBody, LogEvent } from '../src/events/kinds.js';
import { subjectOf } from '../src/events/subjects.js';
import { LogFeed } from '../src/stream/log-feed.js';
import { openLog, type TestLog } from '../test/support/log.js';
import { SeededRandom } from '../test/support/random.js';
import { startTestNats } from '../test/support/servers.js';
import { RealisticEvents } from './realistic-events.js';

const [events = 1_000_000, backtestRules = 20, ruleCount = 1_000, serviceCount = 500] = process.argv
  .slice(2)
  .map(Number);
const INTERVAL_MS = 15_000;
const SPAN_MS = 24 * 3_600_000;
const THRESHOLDS = { error_rate: 0.05, response_time: 2_000 };
const EVENTS_PER_APPEND = 4_000;
const TAKE_MS = 1_000;

/** Kinds of condition as people write them; numbers differ, so that no two rules are the same. */
const CONDITIONS: readonly ((n: number) => string)[] = [
  (n) => `error_rate > ${0.02 + n / 10_000}`,
  (n) => `p95_response_time > ${150 + n} && requests > 20`,
  (n) => `avg_response_time > ${60 + n} || cpu_usage > 97`,
  (n) => `cpu_usage > ${95 - n / 1_000}`,
  (n) => `errors > ${20 + n} && error_rate > threshold.error_rate`,
  (n) => `p99_response_time > ${400 + n}`,
  (n) => `seconds_since_seen > ${120 + n}`,
  (n) => `request_rate > ${50 + n}`,
  (n) => `events["user_login"] < ${n % 7} && requests > 100`,
  (n) => `db_pool_usage > ${0.9 + n / 100_000}`,
];
const WINDOWS = ['1m', '5m', '15m', '1h'];

function makeRules(count: number): readonly AlertRule[] {
  const rules = Array.from({ length: count }, (_, n) => {
    const condition = CONDITIONS[n % CONDITIONS.length]?.(n) ?? '';
    const wait = n % 3 === 0 ? '0s' : `${(n % 5) + 1}m`;
    return `  - {name: rule_${n}, condition: '${condition}', window: ${WINDOWS[n % WINDOWS.length]}, for: ${wait}}`;
  });
  const outcome = parseRules(`alerts:\n${rules.join('\n')}\n`);
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
  return outcome.rules;
}

await measureBacktest();
measureEvaluation();

async function measureBacktest(): Promise<void> {
  const server = await startTestNats();
  const log = await openLog(server.url, { appender: { maxInFlight: 16_384 } });
  const toMs = Math.floor(Date.now() / INTERVAL_MS) * INTERVAL_MS;
  const fromMs = toMs - SPAN_MS;
  await timed('append', () => append(log, fromMs));
  await timed('reference: read, parse JSON', () => readOnly(log));
  const reader = { ...log, retentionDays: 90, sources: [], signal: new AbortController().signal };
  const everything = { fromMs, untilMs: Date.now() };
  await timed('reference: read, decode, check', async () => {
    await readRange(reader, { ...everything, onEvent: () => undefined });
  });
  const rules = makeRules(backtestRules);
  await timed(`back-test with ${backtestRules} rules`, () => backtest(reader, rules, fromMs, toMs));
  await log.close();
  await server.stop();
}

/** Events in the order of their times, a day from the first to the last. */
async function append(log: TestLog, fromMs: number): Promise<void> {
  const source = new RealisticEvents(1);
  for (let first = 0; first < events; first += EVENTS_PER_APPEND) {
    const count = Math.min(EVENTS_PER_APPEND, events - first);
    const requests = Array.from({ length: count }, (_, index) => {
      const body = source.body();
      const occurredAt = new Date(fromMs + ((first + index) / events) * SPAN_MS).toISOString();
      return { id: `e${first + index}`, subject: subjectOf(body), payload: encodeBody(body, occurredAt) };
    });
    const result = await log.appender.appendAll(requests);
    if (result.kind !== 'stored') throw new Error(result.reason);
  }
}

async function readOnly({ connection, watch, manager }: TestLog): Promise<void> {
  const options = { stream: 'METRICS', fromMs: 0, pullSize: 4_000 };
  const { feed, pending } = await LogFeed.openFrom(connection, watch, manager, options);
  for (let taken = 0; taken < pending; ) {
    const messages = await feed.take(4_000, TAKE_MS);
    for (const { data } of messages) JSON.parse(Buffer.from(data).toString());
    taken += messages.length;
  }
  await feed.remove(manager);
}

/** All were stored just now, so they count as late ones: each finds the bucket of its own time. */
async function backtest(reader: RangeReader, rules: readonly AlertRule[], fromMs: number, toMs: number): Promise<void> {
  const startMs = Math.floor((fromMs - lookbackMs(rules, INTERVAL_MS)) / INTERVAL_MS) * INTERVAL_MS;
  const options = { rules, intervalMs: INTERVAL_MS, thresholds: THRESHOLDS, fromMs, toMs, startMs, countLate: true };
  const test = new Backtest(options);
  await readRange(reader, {
    fromMs: startMs,
    untilMs: Date.now(),
    onEvent: (event, storedAtMs) => test.take(event, storedAtMs),
  });
  const readMs = performance.now();
  const { transitions, evaluatedUntilMs } = test.finish(Date.now());
  const evaluations = (evaluatedUntilMs - startMs) / INTERVAL_MS;
  const evaluatedMs = performance.now() - readMs;
  console.log(
    `  ${transitions.length} transitions; ${evaluations} evaluations in ${(evaluatedMs / 1000).toFixed(2)} s of it`,
  );
}

/** Every service answers, measures and is heard of in every interval: nothing can be left out. */
function measureEvaluation(): void {
  const rules = makeRules(ruleCount);
  const startMs = Math.floor(Date.now() / INTERVAL_MS) * INTERVAL_MS;
  const engine = new AlertEngine({ rules, intervalMs: INTERVAL_MS, thresholds: THRESHOLDS, closedUntilMs: startMs });
  const random = new SeededRandom(1);
  const took: number[] = [];
  let transitions = 0;
  let sequence = 0;
  for (let interval = 0; interval < 120; interval += 1) {
    const atMs = startMs + interval * INTERVAL_MS;
    for (let service = 0; service < serviceCount; service += 1) {
      for (const body of serviceBodies(`service-${service}`, random)) {
        sequence += 1;
        const place = { id: `e${sequence}`, sequence, occurredAtMs: atMs + random.integer(0, INTERVAL_MS - 1) };
        const event: LogEvent = { ...body, ...place, timeFromLog: false };
        engine.take(event, atMs);
      }
    }
    const begunMs = performance.now();
    transitions += engine.advance(atMs + INTERVAL_MS + 5_000).length;
    took.push(performance.now() - begunMs);
  }
  // The first intervals compile.
  const settled = took.slice(20).sort((a, b) => a - b);
  const [median, worst] = [settled[Math.floor(settled.length / 2)] ?? 0, settled.at(-1) ?? 0];
  console.log(`one evaluation of ${ruleCount} rules over ${serviceCount} services, all with news:`);
  console.log(`  median ${median.toFixed(0)} ms, worst ${worst.toFixed(0)} ms; ${transitions} transitions in 120`);
}

function serviceBodies(service_name: string, random: SeededRandom): EventBody[] {
  const common = { service_name, endpoint: '/', method: 'GET' };
  const requests = Array.from({ length: 20 }, (): EventBody => {
    const status_code = random.next() < 0.02 ? 500 : 200;
    return { kind: 'api', body: { ...common, status_code, response_time_ms: Math.exp(random.next() * 6) } };
  });
  // Half of them measure their CPU.
  if (random.next() < 0.5) return requests;
  return [
    ...requests,
    { kind: 'system', body: { service_name, metric_name: 'cpu_usage', value: random.next() * 100 } },
  ];
}

async function timed(what: string, work: () => Promise<void>): Promise<void> {
  const begunMs = performance.now();
  const cpu = process.cpuUsage();
  await work();
  const seconds = (performance.now() - begunMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const rate = Math.round(events / seconds).toLocaleString('en');
  console.log(
    `${what}: ${seconds.toFixed(2)} s, ${rate} events/s, ${((user + system) / 1e6).toFixed(2)} s of CPU here`,
  );
}
