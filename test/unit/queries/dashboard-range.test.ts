import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DashboardAxis } from '../../../src/queries/dashboard-axis.js';
import { parseDashboardRange, pointsOf, type RangeParameters } from '../../../src/queries/dashboard-range.js';

const NOW = Date.parse('2026-11-24T12:34:56.789Z');
const RETENTION_DAYS = 90;
const test = suite('the range of a dashboard');

const ACCEPTED: readonly [RangeParameters, from: string, to: string, intervalSeconds: number][] = [
  [{}, '2026-11-23T12:30:00Z', '2026-11-24T12:35:00Z', 300],
  [{ from: '-15m' }, '2026-11-24T12:19:00Z', '2026-11-24T12:35:00Z', 60],
  [{ from: 'now-15m', to: 'now' }, '2026-11-24T12:19:00Z', '2026-11-24T12:35:00Z', 60],
  [{ from: '-90s', interval: '1' }, '2026-11-24T12:33:26Z', '2026-11-24T12:34:57Z', 1],
  [{ from: '-7d' }, '2026-11-17T12:00:00Z', '2026-11-24T13:00:00Z', 3_600],
  [{ from: '-30d' }, '2026-10-25T12:00:00Z', '2026-11-24T14:00:00Z', 7_200],
  [{ from: '-90d' }, '2026-08-26T12:00:00Z', '2026-11-24T18:00:00Z', 21_600],
  [{ from: '-30d', interval: '1d' }, '2026-10-25T00:00:00Z', '2026-11-25T00:00:00Z', 86_400],
  [{ from: '-7d', to: '-1d', interval: '1h' }, '2026-11-17T12:00:00Z', '2026-11-23T13:00:00Z', 3_600],
  [{ from: 'now', to: '2026-11-24T13:00:00Z' }, '2026-11-24T12:34:00Z', '2026-11-24T13:00:00Z', 60],
  // Named instants are kept to the millisecond.
  [
    { from: '2026-11-24T10:00:00.250Z', to: '2026-11-24T11:00:00.5+00:00', interval: '5m' },
    '2026-11-24T10:00:00.250Z',
    '2026-11-24T11:00:00.500Z',
    300,
  ],
  [
    { from: '2026-11-24T09:00:00+02:00', to: '2026-11-24T09:00:00-01:30' },
    '2026-11-24T07:00:00Z',
    '2026-11-24T10:30:00Z',
    60,
  ],
  // The end of the day is ahead, and may be asked for.
  [{ from: '2026-11-24T00:00:00Z', to: '2026-11-25T00:00:00Z' }, '2026-11-24T00:00:00Z', '2026-11-25T00:00:00Z', 300],
];
for (const [parameters, from, to, intervalSeconds] of ACCEPTED) {
  test(`${JSON.stringify(parameters)} is ${from} to ${to} in steps of ${intervalSeconds} s`, () => {
    const outcome = parseDashboardRange(parameters, NOW, RETENTION_DAYS);
    assert.equal(outcome, { ok: true, value: { fromMs: Date.parse(from), toMs: Date.parse(to), intervalSeconds } });
  });
}

const REFUSED: readonly [RangeParameters, pointers: string[]][] = [
  [{ from: 'yesterday' }, ['from']],
  [{ from: '' }, ['from']],
  [{ from: '-1w' }, ['from']],
  [{ from: '-1.5h' }, ['from']],
  [{ from: '--1h' }, ['from']],
  [{ from: '2026-11-24' }, ['from']],
  [{ from: '2026-11-24T10:00:00' }, ['from']],
  [{ from: '2026-02-30T00:00:00Z', to: '2026-13-01T00:00:00Z' }, ['from', 'to']],
  [{ from: '2026-11-24T25:00:00Z' }, ['from']],
  [{ from: "'; drop table user_events; --", to: '1 or 1=1', interval: '1; select' }, ['from', 'to', 'interval']],
  [{ from: '275760-09-13T00:00:00Z' }, ['from']],
  [{ interval: '0' }, ['interval']],
  [{ interval: '-5m' }, ['interval']],
  [{ interval: '1.5' }, ['interval']],
  [{ interval: '1e9' }, ['interval']],
  [{ interval: '999999999999' }, ['interval']],
  [{ interval: '0m' }, ['interval']],
  [{ from: 'now', to: '-1h' }, ['from']],
  [{ from: '2026-11-24T10:00:00Z', to: '2026-11-24T10:00:00Z' }, ['from']],
  [{ from: '-91d' }, ['from']],
  [{ from: '1999-01-01T00:00:00Z' }, ['from']],
  [{ to: '2027-01-01T00:00:00Z' }, ['to']],
  [{ from: '-30d', interval: '60' }, ['interval']],
  [{ from: '-24h', interval: '1s' }, ['interval']],
];
for (const [parameters, pointers] of REFUSED) {
  test(`${JSON.stringify(parameters)} is refused for ${pointers.join(' and ')}`, () => {
    const outcome = parseDashboardRange(parameters, NOW, RETENTION_DAYS);
    assert.is(outcome.ok, false);
    if (!outcome.ok) {
      assert.equal(
        outcome.problems.map(({ pointer }) => pointer),
        pointers,
      );
    }
  });
}

test('whatever the range, the interval that is chosen makes at most 500 points, and one for each interval', () => {
  for (let minutes = 1; minutes <= RETENTION_DAYS * 1_440; minutes = Math.ceil(minutes * 1.07)) {
    for (const from of [`-${minutes}m`, new Date(NOW - minutes * 60_000).toISOString()]) {
      const outcome = parseDashboardRange({ from }, NOW, RETENTION_DAYS);
      if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
      assert.ok(pointsOf(outcome.value) <= 500);
      assert.is(new DashboardAxis(outcome.value).starts.length, pointsOf(outcome.value));
    }
  }
});

test('a retention of decades still makes at most 500 points', () => {
  const outcome = parseDashboardRange({ from: '-18250d' }, NOW, 36_500);
  assert.ok(outcome.ok && pointsOf(outcome.value) <= 500);
});

test.run();
