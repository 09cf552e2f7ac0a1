import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Backtest, type BacktestOptions, type TimedTransition } from '../../../src/alerts/backtest/backtest.js';
import { parseBacktestRange } from '../../../src/alerts/backtest/backtest-range.js';
import { compareEpisodes, type Episode } from '../../../src/alerts/backtest/episodes.js';
import { lookbackMs } from '../../../src/alerts/lookback.js';
import { parseRules } from '../../../src/alerts/parse-rules.js';
import type { LogEvent } from '../../../src/events/kinds.js';

const FROM_MS = Date.parse('2026-11-24T12:00:00Z');
const MINUTE_MS = 60_000;
const test = suite('back-tests');

function options(text: string, changes: Partial<BacktestOptions> = {}): BacktestOptions {
  const outcome = parseRules(`alerts:\n${text}`);
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
  return {
    rules: outcome.rules,
    intervalMs: 15_000,
    thresholds: { error_rate: 0.05, response_time: 2_000 },
    fromMs: FROM_MS,
    toMs: FROM_MS + 10 * MINUTE_MS,
    startMs: FROM_MS - 10 * MINUTE_MS,
    countLate: false,
    ...changes,
  };
}

let sequence = 0;
function answer(atMs: number, status_code: number): LogEvent {
  sequence += 1;
  const place = { id: `e${sequence}`, sequence, occurredAtMs: atMs, timeFromLog: false };
  return { ...place, kind: 'api', body: { service_name: 'web', endpoint: '/', method: 'GET', status_code } };
}

/** An answer every five seconds; errors in these minutes, counted from the range's beginning. */
function play(backtest: Backtest, bad: readonly (readonly [from: number, to: number])[], delayMs = 100): void {
  for (let atMs = FROM_MS - 10 * MINUTE_MS; atMs < FROM_MS + 10 * MINUTE_MS; atMs += 5_000) {
    const minute = (atMs - FROM_MS) / MINUTE_MS;
    const isBad = bad.some(([from, to]) => minute >= from && minute < to);
    backtest.take(answer(atMs, isBad ? 500 : 200), atMs + delayMs);
  }
}

const RULE = '  - {name: errors, condition: error_rate > 0.5, window: 15s}\n';

test('tell what happened in the range, how long it lasted, and the time of each rule', () => {
  const backtest = new Backtest(options(`${RULE}  - {name: quiet, condition: errors > 1000}\n`));
  play(backtest, [
    [-8, -7],
    [-1, 2],
    [4, 5],
    [9, 12],
  ]);
  const { transitions, totals, episodes, evaluatedUntilMs } = backtest.finish(FROM_MS + 20 * MINUTE_MS);
  assert.is(evaluatedUntilMs, FROM_MS + 10 * MINUTE_MS);
  assert.equal(
    transitions.map(({ to, atMs, lengthMs }) => [to, (atMs - FROM_MS) / 1000, lengthMs]),
    [
      // It began before the range.
      ['resolved', 135, 180_000],
      ['firing', 255, 60_000],
      ['resolved', 315, 60_000],
      ['firing', 555, null],
    ],
  );
  assert.is(episodes.length, 3);
  assert.equal(totals, [
    { rule: 'errors', alerts: 3, services: 1, firingMs: 135_000 + 60_000 + 45_000, longestMs: 135_000, firingAtEnd: 1 },
    { rule: 'quiet', alerts: 0, services: 0, firingMs: 0, longestMs: 0, firingAtEnd: 0 },
  ]);
});

test('what was pending has its length, too', () => {
  const backtest = new Backtest(options('  - {name: errors, condition: error_rate > 0.5, window: 15s, for: 1m}\n'));
  play(backtest, [
    [1, 1.5],
    [3, 5],
  ]);
  const { transitions } = backtest.finish(FROM_MS + 20 * MINUTE_MS);
  assert.equal(
    transitions.map(({ to, lengthMs }) => [to, lengthMs]),
    [
      ['pending', 30_000],
      ['inactive', 30_000],
      ['pending', 60_000],
      ['firing', 60_000],
      ['resolved', 60_000],
    ],
  );
});

test('events that came late count where they are to', () => {
  const punctual = new Backtest(options(RULE));
  play(punctual, [[4, 5]]);
  const wanted = punctual.finish(FROM_MS + 20 * MINUTE_MS);
  const strict = new Backtest(options(RULE));
  const late = new Backtest(options(RULE, { countLate: true }));
  for (const each of [strict, late]) play(each, [[4, 5]], 90_000);
  const strictly = strict.finish(FROM_MS + 20 * MINUTE_MS);
  assert.equal([strictly.transitions.length, wanted.transitions.length], [0, 2]);
  assert.ok(strictly.late > 100, `${strictly.late} late`);
  const found = late.finish(FROM_MS + 20 * MINUTE_MS);
  assert.is(found.late, 0);
  // Each has compiled its rules for itself.
  const plain = ({ rule, ...rest }: TimedTransition): unknown => ({ ...rest, rule: rule.name });
  assert.equal(found.transitions.map(plain), wanted.transitions.map(plain));
});

test('what the log has not come to yet is not told', () => {
  const backtest = new Backtest(options('  - {name: quiet, condition: seconds_since_seen > 60}\n'));
  backtest.take(answer(FROM_MS, 200), FROM_MS);
  const { transitions, evaluatedUntilMs } = backtest.finish(FROM_MS + 30_000);
  assert.is(evaluatedUntilMs, FROM_MS + 15_000);
  assert.equal(transitions, []);
});

test('the log is read from before the range, as far as any rule looks back', () => {
  const { rules } = options(
    '  - {name: a, condition: errors > 1, window: 1h, for: 10m}\n  - {name: b, condition: errors > 1, keep_firing_for: 20m}\n',
  );
  assert.ok(lookbackMs(rules, 15_000) >= (60 + 10 + 20) * MINUTE_MS);
});

function episode(service: string, start: number, end: number | null): Episode {
  return { rule: 'errors', service, startsAtMs: start, endsAtMs: end, value: 1 };
}

test('two files are compared by what overlaps', () => {
  const [same, earlier, later] = [episode('web', 1, 5), episode('web', 10, 20), episode('web', 12, null)];
  const [gone, come] = [episode('mail', 1, 2), episode('mail', 3, 4)];
  assert.equal(compareEpisodes([same, earlier, gone], [same, later, come]), {
    onlyFirst: [gone],
    onlySecond: [come],
    otherTimes: [[earlier, later]],
  });
});

const RANGES: readonly [from: string, to: string, range: string | RegExp][] = [
  ['-1h', 'now', '11:00:00 12:00:00'],
  ['-90m', '-30m', '10:30:00 11:30:00'],
  ['2026-11-24T10:00:07Z', '2026-11-24T11:00:14+00:00', '10:00:00 11:00:00'],
  ['yesterday', 'now', /--from must be an RFC 3339 time/],
  ['-1h', 'soon', /--to must be an RFC 3339 time/],
  ['now', '-1h', /--from must be .* before --to/],
  ['2026-02-30T00:00:00Z', 'now', /--from/],
];
for (const [from, to, wanted] of RANGES) {
  test(`from ${from} to ${to} is ${wanted}`, () => {
    const outcome = parseBacktestRange({ from, to }, FROM_MS + 7_000, 15_000);
    const text = outcome.ok
      ? [outcome.range.fromMs, outcome.range.toMs].map((ms) => new Date(ms).toISOString().slice(11, 19)).join(' ')
      : outcome.problems.map(({ name, detail }) => `${name} ${detail}`).join('\n');
    if (typeof wanted === 'string') assert.is(text, wanted);
    else assert.match(text, wanted);
  });
}

test.run();
