import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type AlertMessage, decodeAlert, encodeAlert } from '../../../src/alerts/alert.js';
import { AlertBook } from '../../../src/alerts/alert-book.js';
import { AlertEngine, GRACE_MS } from '../../../src/alerts/alert-engine.js';
import type { Transition } from '../../../src/alerts/evaluate.js';
import { decideOrphan, decidePublication, orphansOf } from '../../../src/alerts/live/decide-publication.js';
import {
  decodeState,
  type EvaluationState,
  encodeState,
  planStart,
} from '../../../src/alerts/live/evaluation-state.js';
import { LiveEvaluation } from '../../../src/alerts/live/live-evaluation.js';
import type { LogEvent } from '../../../src/events/kinds.js';
import { describedAlert, rulesOf, THRESHOLDS } from '../../support/alert-process.js';
import { SeededRandom } from '../../support/random.js';

const test = suite('live evaluation between restarts');
const random = SeededRandom.announced('live evaluation between restarts');

const INTERVAL_MS = 15_000;
const START_MS = Date.UTC(2026, 10, 24, 12);
/** Three times what a start reads again, so that it begins with what was kept, and not with the log. */
const LENGTH_MS = 30 * 60_000;
const RUNS = 20;

const RULES = rulesOf(`
alerts:
  - { name: errors, condition: error_rate > 0.3, window: 30s }
  - { name: errors_for, condition: error_rate > 0.3, window: 15s, for: 45s, keep_firing_for: 30s }
  - { name: hysteresis, condition: error_rate > 0.5, resolve_condition: error_rate < 0.1, window: 45s, keep_firing_for: 1m }
  - { name: silent, condition: seconds_since_seen > 40, for: 15s, keep_firing_for: 2m }
  - { name: gone, condition: seconds_since_seen > 1200 }
  - { name: cpu, condition: cpu_usage > 80, window: 2m }
  - { name: logins, condition: 'events["user_login"] > 20', window: 1m }
`);

interface Stored {
  readonly event: LogEvent;
  readonly storedAtMs: number;
}

/** Half an hour of a log: what comes late and what is dated ahead is among it, and services fall silent. */
function playLog(): Stored[] {
  const stored: Stored[] = [];
  // Behind the grace of what had been evaluated before.
  let storedAtMs = START_MS + GRACE_MS;
  const speaksAfter = new Map<string, number>();
  const rates = new Map<string, number>();
  while (storedAtMs < START_MS + LENGTH_MS) {
    storedAtMs += random.integer(0, 900);
    const service = random.pick(['billing', 'mail', 'web']);
    if (random.next() < 0.02) rates.set(service, random.pick([0, 0.05, 0.4, 0.7]));
    if (random.next() < 0.01) speaksAfter.set(service, storedAtMs + random.integer(20_000, 120_000));
    if ((speaksAfter.get(service) ?? 0) > storedAtMs) continue;
    const shiftMs = random.pick([0, 0, 0, 0, -3_000, -30_000, 20_000, 200_000]);
    const common = {
      id: `e-${stored.length}`,
      sequence: stored.length + 1,
      occurredAtMs: storedAtMs + shiftMs,
      timeFromLog: false,
    };
    stored.push({ event: eventOf(common, service, rates.get(service) ?? 0), storedAtMs });
  }
  return stored;
}

function eventOf(
  common: Pick<LogEvent, 'id' | 'sequence' | 'occurredAtMs' | 'timeFromLog'>,
  service_name: string,
  errorRate: number,
): LogEvent {
  const kind = random.next();
  if (kind < 0.15) return { kind: 'user', body: { event_type: 'user_login' }, ...common };
  if (kind < 0.3) {
    const body = { service_name, metric_name: 'cpu_usage', value: random.integer(60, 100) };
    return { kind: 'system', body, ...common };
  }
  const status_code = random.next() < errorRate ? 500 : 200;
  return { kind: 'api', body: { service_name, endpoint: '/a', method: 'GET', status_code }, ...common };
}

function isPublished({ to }: Transition): boolean {
  return to === 'firing' || to === 'resolved';
}

/** What one engine that never stops tells of a log. */
function expectedOf(log: readonly Stored[], endMs: number): string[] {
  const engine = new AlertEngine({
    rules: RULES,
    intervalMs: INTERVAL_MS,
    thresholds: THRESHOLDS,
    closedUntilMs: START_MS,
  });
  const book = new AlertBook();
  const transitions = log.flatMap(({ event, storedAtMs }) => engine.take(event, storedAtMs));
  return [...transitions, ...engine.advance(endMs)]
    .filter(isPublished)
    .flatMap((transition) => publishTo(book, transition) ?? [])
    .map(describedAlert);
}

function publishTo(book: AlertBook, transition: Transition): AlertMessage | undefined {
  const publication = decidePublication(transition, (key) => book.latestOf(key));
  if (publication.kind === 'skip') return undefined;
  const message = decodeAlert(encodeAlert(publication.message));
  if (message === undefined) throw new Error('cannot be read again');
  book.takeAlert(message);
  return message;
}

/** Processes that die after a few events, or in the middle of what they publish, each going on from what is left. */
class Lives {
  readonly book = new AlertBook();
  readonly published: AlertMessage[] = [];
  state: EvaluationState = { closedUntilMs: START_MS, beginMs: START_MS, seen: new Map(), rulesHash: '' };

  constructor(private readonly log: readonly Stored[]) {}

  /**
   * @param maxSteps events and closed buckets until it dies
   * @returns whether it came to the end
   */
  live(maxSteps: number, endMs: number): boolean {
    const found = decodeState(encodeState(this.state));
    const start = planStart(found, RULES, INTERVAL_MS, 0);
    const firingAt = (atMs: number) => this.book.firingAt(atMs);
    const evaluation = new LiveEvaluation({
      rules: RULES,
      intervalMs: INTERVAL_MS,
      thresholds: THRESHOLDS,
      start,
      firingAt,
    });
    let steps = 0;
    const close = (untilMs: number): boolean => {
      while (evaluation.nextCloseMs <= untilMs) {
        const isNew = evaluation.closedUntilMs >= start.closedUntilMs;
        for (const transition of evaluation.closeNext()) {
          steps += 1;
          if (steps > maxSteps) return false;
          const message = publishTo(this.book, transition);
          if (message !== undefined) this.published.push(message);
        }
        evaluation.adopt();
        if (isNew) steps += 1;
        if (steps > maxSteps) return false;
        if (evaluation.isLive) this.state = evaluation.state();
      }
      return true;
    };
    for (const { event, storedAtMs } of this.log) {
      if (storedAtMs < start.beginMs) continue;
      if (!close(storedAtMs)) return false;
      evaluation.take(event, storedAtMs);
    }
    return close(endMs);
  }
}

test(`${RUNS} logs of half an hour: whoever dies how often, what is published is what one engine tells`, () => {
  let transitions = 0;
  let deaths = 0;
  for (let run = 0; run < RUNS; run += 1) {
    const log = playLog();
    const endMs = START_MS + LENGTH_MS + 300_000;
    const lives = new Lives(log);
    while (!lives.live(random.integer(1, 12), endMs)) deaths += 1;
    const expected = expectedOf(log, endMs);
    assert.equal(lives.published.map(describedAlert), expected);
    transitions += expected.length;
  }
  assert.ok(transitions > RUNS * 5, `${transitions} transitions`);
  assert.ok(deaths > RUNS, `${deaths} deaths`);
});

/** An answer each second from `fromMs` to `untilMs` after the start, of which `errorRate` fail. */
function answers(service_name: string, fromMs: number, untilMs: number, errorRate: number): Stored[] {
  return Array.from({ length: (untilMs - fromMs) / 1_000 }, (_, index) => {
    const storedAtMs = START_MS + GRACE_MS + fromMs + index * 1_000;
    const status_code = (index % 10) / 10 < errorRate ? 500 : 200;
    const common = { id: `${service_name}-${storedAtMs}`, sequence: storedAtMs, timeFromLog: false };
    const body = { service_name, endpoint: '/a', method: 'GET', status_code };
    return { event: { kind: 'api', body, ...common, occurredAtMs: storedAtMs }, storedAtMs };
  });
}

/** Longer than a start reads again. */
const OLD_MS = 20 * 60_000;

const REMEMBERED: readonly { what: string; log: readonly Stored[]; rule: string }[] = [
  {
    // It has no reason from here on, and `keep_firing_for` counts from its last one.
    what: 'an alert that only its resolve_condition has kept firing',
    log: [
      ...answers('web', 0, 60_000, 0.8),
      ...answers('web', 60_000, OLD_MS, 0.3),
      ...answers('web', OLD_MS, OLD_MS + 180_000, 0),
    ],
    rule: 'hysteresis',
  },
  {
    what: 'a service that has been silent',
    log: [...answers('web', 0, 30_000, 0), ...answers('mail', 30_000, OLD_MS + 180_000, 0)],
    rule: 'gone',
  },
];
for (const { what, log, rule } of REMEMBERED) {
  test(`${what} for longer than a start reads again is known to who starts at each evaluation`, () => {
    const endMs = START_MS + OLD_MS + 180_000;
    const stored = [...log].sort((a, b) => a.storedAtMs - b.storedAtMs);
    const lives = new Lives(stored);
    let deaths = 0;
    while (!lives.live(4, endMs)) deaths += 1;
    const expected = expectedOf(stored, endMs);
    assert.ok(expected.some((line) => line.includes(rule)));
    assert.equal(lives.published.map(describedAlert), expected);
    assert.ok(deaths > 20, `${deaths} deaths`);
  });
}

/** What a process with these rules says of services that have failed for ten minutes, from then on. */
function startWith(yaml: string, book: AlertBook): { evaluation: LiveEvaluation; close: () => AlertMessage[] } {
  const rules = rulesOf(yaml);
  const closedUntilMs = START_MS + 600_000;
  const options = {
    rules,
    intervalMs: INTERVAL_MS,
    thresholds: THRESHOLDS,
    start: { closedUntilMs, beginMs: START_MS, seen: new Map<string, number>() },
    firingAt: (atMs: number) => book.firingAt(atMs),
  };
  const evaluation = new LiveEvaluation(options);
  for (const { event, storedAtMs } of answers('web', 0, 600_000, 1)) {
    while (evaluation.nextCloseMs <= storedAtMs) evaluation.closeNext();
    evaluation.take(event, storedAtMs);
  }
  const close = (): AlertMessage[] => {
    const messages = evaluation.closeNext().flatMap((transition) => publishTo(book, transition) ?? []);
    for (const orphan of orphansOf(book.firing(), rules)) {
      const publication = decideOrphan(orphan, evaluation.closedUntilMs, (key) => book.latestOf(key));
      if (publication.kind === 'skip') continue;
      book.takeAlert(publication.message);
      messages.push(publication.message);
    }
    evaluation.adopt();
    return messages;
  };
  while (evaluation.closedUntilMs < closedUntilMs) evaluation.closeNext();
  return { evaluation, close };
}

const described = ({ status, labels }: AlertMessage): string => `${status} ${labels.team ?? 'none'}`;

test('an alert whose rule gets other labels goes on with them', () => {
  const book = new AlertBook();
  const rule = (team: string): string => `
alerts: [{ name: errors, condition: error_rate > 0.5, for: 1m, labels: { team: ${team} } }]`;
  assert.equal(startWith(rule('a'), book).close().map(described), ['firing a']);
  const changed = startWith(rule('b'), book);
  changed.close();
  assert.equal(
    book.firing().map(({ latest }) => described(latest)),
    ['firing b'],
  );
});

test('what has waited out a shorter `for` already fires at once', () => {
  const rule = (wait: string): string => `alerts: [{ name: errors, condition: error_rate > 0.5, for: ${wait} }]`;
  const book = new AlertBook();
  assert.equal(startWith(rule('20m'), book).close().map(described), []);
  assert.equal(startWith(rule('2m'), book).close().map(described), ['firing none']);
});

test('what another process has ended by rules of its own, and goes on, fires again', () => {
  const book = new AlertBook();
  const rules = 'alerts: [{ name: errors, condition: error_rate > 0.5, for: 1m, window: 15m }]';
  const here = startWith(rules, book);
  assert.equal(here.close().map(described), ['firing none']);
  assert.equal(startWith('alerts: []', book).close().map(described), ['resolved none']);
  assert.equal(here.close().map(described), []);
  assert.equal(here.close().map(described), ['firing none']);
});

test('a service may be called __proto__', () => {
  const state = { closedUntilMs: START_MS, beginMs: START_MS, seen: new Map([['__proto__', 5]]), rulesHash: 'r' };
  assert.equal(decodeState(encodeState(state)), state);
  assert.is(decodeState(Buffer.from('{')), undefined);
});

test('a state that is behind publishes nothing again, and what fires goes on firing', () => {
  const log = playLog();
  const endMs = START_MS + LENGTH_MS + 300_000;
  const lives = new Lives(log);
  assert.ok(lives.live(Number.POSITIVE_INFINITY, endMs));
  const { length } = lives.published;
  for (const closedUntilMs of [START_MS, START_MS + 60_000, START_MS + LENGTH_MS / 2]) {
    lives.state = { closedUntilMs, beginMs: START_MS, seen: new Map(), rulesHash: '' };
    assert.ok(lives.live(Number.POSITIVE_INFINITY, endMs));
  }
  assert.is(lives.published.length, length);
});

test('without a state it begins now, and reads what its windows need', () => {
  const nowMs = START_MS + 7_000;
  const { closedUntilMs, beginMs, seen } = planStart(undefined, RULES, INTERVAL_MS, nowMs);
  assert.is(closedUntilMs, START_MS);
  assert.ok(beginMs < START_MS - 120_000 && beginMs % INTERVAL_MS === 0);
  assert.is(seen.size, 0);
});

test('a state of another interval is gone on from without a gap', () => {
  const closedUntilMs = START_MS + 45_000;
  const state = { closedUntilMs, beginMs: START_MS - 3_600_000, seen: new Map([['web', 5]]), rulesHash: '' };
  const start = planStart(state, RULES, 60_000, 0);
  assert.is(start.closedUntilMs, START_MS);
  assert.is(start.beginMs, START_MS - 3_600_000);
  assert.equal([...start.seen], [['web', 5]]);
});

test.run();
