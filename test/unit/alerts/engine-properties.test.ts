import fc from 'fast-check';
import { suite } from 'uvu';
import { AlertEngine } from '../../../src/alerts/alert-engine.js';
import type { Transition } from '../../../src/alerts/evaluate.js';
import { parseRules } from '../../../src/alerts/parse-rules.js';
import type { EventBody } from '../../../src/events/kinds.js';
import '../../support/seed.js';
import { naiveTransitions, type StoredEvent, toldTransition } from '../../support/naive-alerts.js';

const INTERVAL_MS = 15_000;
const START_MS = Math.ceil(Date.UTC(2026, 0, 1) / INTERVAL_MS) * INTERVAL_MS;
const THRESHOLDS = { error_rate: 0.3, response_time: 500 };
const RUNS = 150;
const test = suite('the engine of alerts against a naive model');

/** A log of some minutes: dense and quiet stretches, late events and ones that are dated ahead. */
const logs = fc
  .array(
    fc.record({
      pauseMs: fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: 0, max: 4_000 }) },
        { weight: 1, arbitrary: fc.integer({ min: 0, max: 90_000 }) },
      ),
      delayMs: fc.oneof(
        { weight: 5, arbitrary: fc.integer({ min: 0, max: 3_000 }) },
        { weight: 1, arbitrary: fc.integer({ min: -60_000, max: 60_000 }) },
      ),
      body: bodies(),
    }),
    { minLength: 1, maxLength: 80 },
  )
  .map((items) => {
    let storedAtMs = START_MS + 1_000;
    return items.map(({ pauseMs, delayMs, body }, index): StoredEvent => {
      storedAtMs += pauseMs;
      const occurredAtMs = storedAtMs - delayMs;
      const place = { id: `e${index}`, sequence: index + 1, occurredAtMs, timeFromLog: false };
      return { event: { ...body, ...place }, storedAtMs };
    });
  });

function bodies(): fc.Arbitrary<EventBody> {
  const service_name = fc.constantFrom('web', 'mail', 'auth');
  const requests = fc.record({
    service_name,
    status_code: fc.constantFrom(200, 200, 404, 500, 503),
    response_time_ms: fc.option(fc.constantFrom(0, 3, 80, 450, 700, 9_000), { nil: undefined }),
  });
  return fc.oneof(
    {
      weight: 6,
      arbitrary: requests.map(
        ({ response_time_ms, ...rest }): EventBody => ({
          kind: 'api',
          body: {
            ...rest,
            endpoint: '/',
            method: 'GET',
            ...(response_time_ms === undefined ? {} : { response_time_ms }),
          },
        }),
      ),
    },
    {
      weight: 3,
      arbitrary: fc
        .record({
          service_name,
          metric_name: fc.constantFrom('cpu_usage', 'db_pool_active', 'db_pool_max', 'other'),
          value: fc.integer({ min: 0, max: 100 }),
        })
        .map((body): EventBody => ({ kind: 'system', body })),
    },
    {
      weight: 2,
      arbitrary: fc.constantFrom('user_login', 'other').map(
        (event_type): EventBody => ({
          kind: 'user',
          body: { event_type },
        }),
      ),
    },
  );
}

const CONDITIONS = [
  'error_rate > threshold.error_rate',
  'errors >= 2 && requests > 3',
  'requests > 4 || seconds_since_seen > 60',
  'request_rate > 0.1',
  'p95_response_time > threshold.response_time',
  'p50_response_time > 100 && p99_response_time < 8000',
  'avg_response_time > 300 || cpu_usage > 80',
  '!(error_rate < 0.4)',
  'db_pool_usage > 0.5',
  'cpu_usage > 50 && requests > 1',
  'seconds_since_seen > 45',
  'error_rate > 0.2 && events["user_login"] >= 1',
  'errors > 0 ? p95_response_time > 80 : cpu_usage > 20',
];
const RESOLVING = ['error_rate < 0.1', 'requests < 2', 'cpu_usage < 20', 'p95_response_time < 100 || errors == 0'];

const rules = fc
  .array(
    fc.record({
      condition: fc.constantFrom(...CONDITIONS, 'events["user_login"] == 0', 'events["user_login"] > 1'),
      resolve: fc.option(fc.constantFrom(...RESOLVING), { nil: undefined }),
      window: fc.constantFrom('5s', '15s', '40s', '1m', '5m'),
      for: fc.constantFrom('0s', '0s', '15s', '40s'),
      keep: fc.constantFrom('0s', '0s', '30s', '50s'),
      by: fc.constantFrom('service_name', 'none'),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((items) =>
    items
      .map(({ condition, resolve, window, for: duration, keep, by }, index) => {
        const place = condition.includes('seconds_since_seen') ? 'service_name' : by;
        const resolving = resolve === undefined ? '' : `\n    resolve_condition: '${resolve}'`;
        return `  - name: r${index}\n    condition: '${condition}'${resolving}\n    window: ${window}\n    for: ${duration}\n    keep_firing_for: ${keep}\n    by: ${place}\n`;
      })
      .join(''),
  );

function told({ atMs, rule, to, service, value, startsAtMs }: Transition): string {
  return toldTransition(atMs, rule.name, to, service, value, startsAtMs);
}

test('it tells what a look through all events at each evaluation tells', () => {
  let transitions = 0;
  fc.assert(
    fc.property(logs, rules, (log, text) => {
      const outcome = parseRules(`alerts:\n${text}`);
      if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
      const common = { rules: outcome.rules, intervalMs: INTERVAL_MS, thresholds: THRESHOLDS };
      const endMs = (log.at(-1)?.storedAtMs ?? START_MS) + 200_000;
      const engine = new AlertEngine({ ...common, closedUntilMs: START_MS });
      const found = log.flatMap(({ event, storedAtMs }) => engine.take(event, storedAtMs));
      found.push(...engine.advance(endMs));
      transitions += found.length;
      const wanted = naiveTransitions({ ...common, log, startMs: START_MS, endMs });
      const lines = found.map(told);
      const differs = wanted.findIndex((line, index) => line !== lines[index]);
      if (differs >= 0 || lines.length > wanted.length) {
        throw new Error(`told ${lines.slice(differs)[0]}, wanted ${wanted.slice(differs)[0]}`);
      }
    }),
    { numRuns: RUNS, includeErrorInReport: true },
  );
  if (transitions < RUNS) throw new Error(`only ${transitions} transitions: the runs tell nothing`);
});

test.run();
