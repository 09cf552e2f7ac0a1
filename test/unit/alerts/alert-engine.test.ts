import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AlertEngine, type EngineOptions, GRACE_MS } from '../../../src/alerts/alert-engine.js';
import type { Transition } from '../../../src/alerts/evaluate.js';
import { parseRules } from '../../../src/alerts/parse-rules.js';
import type { LogEvent } from '../../../src/events/kinds.js';
import { SeededRandom } from '../../support/random.js';
import { same } from '../../support/same.js';

const START = Date.parse('2026-11-24T12:00:00Z');
const INTERVAL_MS = 15_000;
const THRESHOLDS = { error_rate: 0.05, response_time: 2_000 };
const test = suite('the engine of alerts');

function rulesOf(text: string): EngineOptions['rules'] {
  const outcome = parseRules(text);
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
  return outcome.rules;
}

function engine(text: string, options: Partial<EngineOptions> = {}): AlertEngine {
  return new AlertEngine({
    rules: rulesOf(text),
    intervalMs: INTERVAL_MS,
    thresholds: THRESHOLDS,
    closedUntilMs: START,
    ...options,
  });
}

let sequence = 0;
function request(atS: number, status: number, service = 'web', milliseconds = 10): LogEvent {
  sequence += 1;
  return {
    kind: 'api',
    id: `e${sequence}`,
    sequence,
    occurredAtMs: START + atS * 1000,
    timeFromLog: false,
    body: { service_name: service, endpoint: '/', method: 'GET', status_code: status, response_time_ms: milliseconds },
  };
}

/** `12:05:00 firing web 0.5` for each transition. */
function told(transitions: readonly Transition[]): string[] {
  return transitions.map(({ rule, service, to, atMs, value }) =>
    [new Date(atMs).toISOString().slice(11, 19), rule.name, to, service ?? '-', value].join(' '),
  );
}

/** One request of each service every five seconds; `status` tells how it was answered. */
function play(
  target: AlertEngine,
  fromS: number,
  toS: number,
  status: (atS: number) => number | undefined,
  service = 'web',
): Transition[] {
  const transitions: Transition[] = [];
  for (let atS = fromS; atS < toS; atS += 5) {
    const answered = status(atS);
    const storedAtMs = START + atS * 1000 + 100;
    if (answered === undefined) transitions.push(...target.advance(storedAtMs));
    else transitions.push(...target.take(request(atS, answered, service), storedAtMs));
  }
  return [...transitions, ...target.advance(START + toS * 1000 + GRACE_MS)];
}

const RULE = `alerts:
  - name: errors
    condition: error_rate > 0.4
    window: 30s
`;

test('without for an alert fires at the end of the first bucket that holds, and resolves at the first that does not', () => {
  const transitions = play(engine(RULE), 0, 120, (atS) => (atS >= 30 && atS < 60 ? 500 : 200));
  assert.equal(told(transitions), ['12:00:45 errors firing web 0.5', '12:01:30 errors resolved web 0']);
});

test('with for it is pending first, and does not fire where the condition ceases before', () => {
  const text = `${RULE}    for: 45s\n`;
  assert.equal(told(play(engine(text), 0, 180, (atS) => (atS >= 30 && atS < 90 ? 500 : 200))), [
    '12:00:45 errors pending web 0.5',
    '12:01:30 errors firing web 1',
    '12:02:00 errors resolved web 0',
  ]);
  assert.equal(told(play(engine(text), 0, 180, (atS) => (atS >= 30 && atS < 45 ? 500 : 200))), [
    '12:00:45 errors pending web 0.5',
    '12:01:15 errors inactive web 0',
  ]);
});

test('keep_firing_for outlasts a pause', () => {
  const text = `${RULE}    keep_firing_for: 60s\n`;
  const transitions = play(engine(text), 0, 300, (atS) =>
    (atS >= 30 && atS < 60) || (atS >= 90 && atS < 105) ? 500 : 200,
  );
  assert.equal(
    told(transitions).map((line) => line.split(' ').slice(0, 3).join(' ')),
    ['12:00:45 errors firing', '12:03:00 errors resolved'],
  );
});

test('between its condition and the one that resolves it an alert goes on', () => {
  const text = `${RULE}    resolve_condition: error_rate < 0.1\n`;
  // A third of the answers are errors: not enough to fire, too many to resolve.
  const status = (atS: number): number =>
    atS >= 30 && atS < 60 ? 500 : atS >= 60 && atS < 180 && atS % 15 === 0 ? 500 : 200;
  const transitions = told(play(engine(text), 0, 300, status));
  assert.equal(
    transitions.map((line) => line.split(' ').slice(0, 3).join(' ')),
    ['12:00:45 errors firing', '12:03:30 errors resolved'],
  );
});

test('no data is no value: the alert of a silent service resolves, and one about silence fires', () => {
  const text = `${RULE}  - name: silent
    condition: seconds_since_seen > 60
`;
  const transitions = told(play(engine(text), 0, 180, (atS) => (atS < 60 ? 500 : undefined)));
  assert.equal(transitions, [
    '12:00:15 errors firing web 1',
    '12:01:30 errors resolved web ',
    '12:02:00 silent firing web 65',
  ]);
});

test('each service has its own alert, the platform one of its own', () => {
  const text = `${RULE}  - name: all
    condition: error_rate > 0.4
    window: 30s
    by: none
`;
  const target = engine(text);
  const transitions: Transition[] = [];
  for (let atS = 0; atS < 60; atS += 5) {
    transitions.push(...target.take(request(atS, 500, 'web'), START + atS * 1000));
    transitions.push(...target.take(request(atS, 200, 'mail'), START + atS * 1000));
  }
  assert.equal(told(transitions), ['12:00:15 errors firing web 1', '12:00:15 all firing - 0.5']);
});

test('events are counted over the window, and a type without one counts 0', () => {
  const target = engine(`alerts:
  - name: quiet
    condition: events["user_login"] == 0
    window: 30s
`);
  const login = (atS: number): LogEvent => ({
    ...request(atS, 200),
    kind: 'user',
    body: { event_type: 'user_login', user_id: 1 },
  });
  const transitions = [
    ...target.take(login(1), START + 1_000),
    ...target.take(login(16), START + 16_000),
    ...target.advance(START + 120_000),
  ];
  assert.equal(told(transitions), ['12:01:00 quiet firing - 0']);
});

test('an event that is stored after the grace pages nobody, one within it counts', () => {
  const target = engine(RULE);
  assert.equal(target.take(request(14, 500), START + 15_000 + GRACE_MS - 1), []);
  const closing = target.take(request(14, 500), START + 15_000 + GRACE_MS);
  assert.equal(told(closing), ['12:00:15 errors firing web 1']);
  assert.is(target.late, 1);
});

test('an event that is dated ahead counts when its time has come', () => {
  const target = engine(RULE);
  target.take(request(100, 500), START);
  assert.equal(told(target.advance(START + 100_000)), []);
  assert.equal(told(target.advance(START + 120_000)), ['12:01:45 errors firing web 1']);
});

test('what is told not to fire is judged again, although nothing has happened since', () => {
  const target = engine('alerts:\n  - {name: errors, condition: errors > 0, window: 10m}\n');
  target.take(request(1, 500), START + 1_000);
  assert.equal(told(target.advance(START + 30_000)), ['12:00:15 errors firing web 1']);
  assert.equal(told(target.advance(START + 60_000)), []);
  target.setFiring([]);
  assert.equal(told(target.advance(START + 80_000)), ['12:01:00 errors firing web 1']);
});

test('a rate is that of the whole intervals that a window has', () => {
  const target = engine('alerts:\n  - {name: busy, condition: request_rate > 0, window: 20s}\n');
  target.take(request(1, 200), START + 1_000);
  target.take(request(16, 200), START + 16_000);
  assert.equal(told(target.advance(START + 20_000)), [`12:00:15 busy firing web ${1 / 30}`]);
});

test('an engine that begins in the middle tells the same from there on', () => {
  const text = `${RULE}    for: 45s
  - name: slow
    condition: p95_response_time > 40 || cpu_usage > 90
    window: 1m
    for: 30s
    keep_firing_for: 30s
  - name: silent
    condition: seconds_since_seen > 45
`;
  const random = SeededRandom.announced('the engine of alerts');
  const events: { event: LogEvent; storedAtMs: number }[] = [];
  for (let atS = 0; atS < 3_600; atS += random.integer(1, 4)) {
    const isBad = Math.floor(atS / 240) % 2 === 1;
    const service = random.pick(['web', 'mail', 'auth']);
    if (service === 'auth' && atS > 1_500 && atS < 2_000) continue;
    const event = request(
      atS - random.integer(0, 8),
      random.next() < (isBad ? 0.6 : 0.1) ? 500 : 200,
      service,
      isBad ? 60 : 20,
    );
    events.push({ event, storedAtMs: START + atS * 1000 });
  }
  const run = (target: AlertEngine, from: number): Transition[] => {
    const found: Transition[] = [];
    for (const { event, storedAtMs } of events.filter((each) => each.storedAtMs >= from)) {
      found.push(...target.take(event, storedAtMs));
    }
    return [...found, ...target.advance(START + 3_700_000)];
  };
  const whole = run(engine(text), 0);
  assert.ok(whole.length > 10, `${whole.length} transitions`);
  assert.equal(told(run(engine(text), 0)), told(whole));

  const middleMs = START + 1_800_000;
  const before = whole.filter(({ atMs }) => atMs <= middleMs);
  const firing = new Map<string, Transition>();
  for (const transition of before) {
    const key = `${transition.rule.name} ${transition.service}`;
    if (transition.to === 'firing') firing.set(key, transition);
    if (transition.to === 'resolved') firing.delete(key);
  }
  // Ten minutes before are read again: longer than any window and any `for`.
  const lead = engine(text, { closedUntilMs: middleMs - 600_000, seen: [['auth', START + 1_495_000]] });
  const again: Transition[] = [];
  let isSet = false;
  for (const { event, storedAtMs } of events.filter((each) => each.storedAtMs >= middleMs - 600_000)) {
    if (!isSet && storedAtMs >= middleMs + GRACE_MS) {
      lead.advance(middleMs + GRACE_MS);
      lead.setFiring(
        [...firing.values()].map(({ rule, service, startsAtMs, value }) => ({
          rule: rule.name,
          service,
          startsAtMs,
          value,
        })),
      );
      isSet = true;
    }
    const found = lead.take(event, storedAtMs);
    if (isSet) again.push(...found);
  }
  again.push(...lead.advance(START + 3_700_000));
  same(told(again), told(whole.filter(({ atMs }) => atMs > middleMs)));
});

test.run();
