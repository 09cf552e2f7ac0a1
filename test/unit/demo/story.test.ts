import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Backtest } from '../../../src/alerts/backtest/backtest.js';
import { needRules } from '../../../src/alerts/load-rules.js';
import { eventsBetween } from '../../../src/demo/live.js';
import { DEMO_SIZE } from '../../../src/demo/play.js';
import { LIVE_INCIDENT, type Story, tellStory } from '../../../src/demo/story.js';

/** The rules that ship. This file is dist/test/unit/demo/story.test.js when it runs. */
const RULES = needRules(join(import.meta.dirname, '../../../../config/alerts.yaml'));
const INTERVAL_MS = 15_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** When a demo may be begun: at work, at night, and on a Sunday, to the whole interval. */
const BEGUN = ['2026-11-25T15:20:00Z', '2026-11-25T04:00:00Z', '2026-11-29T21:30:00Z'].map((time) => Date.parse(time));

const test = suite('the story of the demo');

function storyOf(begunMs: number, liveMs?: number): Story {
  const { seed, sessionsPerMinute } = DEMO_SIZE;
  return tellStory({ seed, sessionsPerMinute, begunMs, startMs: begunMs, liveMs });
}

/** What the rules tell of a stretch: each alert with its service, and when it fired and resolved. They know events from `firstMs` on. */
function alertsIn(
  story: Story,
  fromMs: number,
  toMs: number,
  firstMs = fromMs - 10 * MINUTE_MS,
): { name: string; service: string | undefined; startsAtMs: number; endsAtMs: number | null }[] {
  const backtest = new Backtest({
    rules: RULES,
    intervalMs: INTERVAL_MS,
    thresholds: { error_rate: 0.05, response_time: 2_000 },
    fromMs,
    toMs,
    startMs: fromMs - 10 * MINUTE_MS,
    countLate: false,
  });
  let sequence = 0;
  for (const { id, occurredAtMs, event } of eventsBetween(story, firstMs, toMs)) {
    sequence += 1;
    backtest.take({ ...event, id, occurredAtMs, timeFromLog: false, sequence }, occurredAtMs);
  }
  return backtest.finish(toMs + MINUTE_MS).episodes.map(({ rule, service, startsAtMs, endsAtMs }) => ({
    name: rule,
    service,
    startsAtMs,
    endsAtMs,
  }));
}

test('payments fail within the last day: one alert, of one service, that resolves, and no other', () => {
  for (const begunMs of BEGUN) {
    const fromMs = begunMs - 5 * HOUR_MS;
    const alerts = alertsIn(storyOf(begunMs), begunMs - 24 * HOUR_MS, begunMs);
    assert.equal(
      alerts.map(({ name, service }) => [name, service]),
      [['high_error_rate', 'billing']],
      new Date(begunMs).toISOString(),
    );
    const [alert] = alerts;
    assert.ok(alert !== undefined && alert.startsAtMs >= fromMs && alert.startsAtMs < fromMs + 3 * MINUTE_MS);
    assert.ok(alert.endsAtMs !== null && alert.endsAtMs < fromMs + 40 * MINUTE_MS, String(alert.endsAtMs));
  }
});

test('notifications are slow three days before: one alert of slow responses', () => {
  for (const begunMs of BEGUN) {
    const alerts = alertsIn(storyOf(begunMs), begunMs - 76 * HOUR_MS, begunMs - 72 * HOUR_MS);
    assert.equal(
      alerts.map(({ name, service, endsAtMs }) => [name, service, endsAtMs !== null]),
      [['slow_response', 'notifications', true]],
      new Date(begunMs).toISOString(),
    );
  }
});

test('the live incident fires within two minutes after live traffic began, and resolves within eight', () => {
  const begun = BEGUN.flatMap((ms) => [0, 3, 7].map((minutes) => ms + minutes * MINUTE_MS));
  for (const begunMs of begun) {
    const liveMs = begunMs + 12_345;
    // What came before is history, which was stored too late to count.
    const alerts = alertsIn(storyOf(begunMs, liveMs), begunMs, begunMs + 15 * MINUTE_MS, liveMs);
    assert.equal(
      alerts.map(({ name, service }) => [name, service]),
      [['high_error_rate', 'billing']],
    );
    const [alert] = alerts;
    assert.ok(alert !== undefined && alert.endsAtMs !== null);
    assert.ok(alert.startsAtMs >= liveMs + LIVE_INCIDENT.afterMs && alert.startsAtMs < liveMs + 2 * MINUTE_MS);
    assert.ok(alert.endsAtMs < liveMs + 8 * MINUTE_MS, `${alert.endsAtMs - liveMs} ms`);
  }
});

test('a deploy makes appointments faster, and another version', () => {
  const begunMs = BEGUN[0] ?? 0;
  const story = storyOf(begunMs);
  const deployMs = begunMs - 20 * HOUR_MS;
  const look = (fromMs: number, toMs: number): { meanMs: number; versions: unknown[] } => {
    const times: number[] = [];
    const versions = new Set<unknown>();
    for (const { event } of eventsBetween(story, fromMs, toMs)) {
      if (event.kind === 'user' || event.body.service_name !== 'appointments') continue;
      if (event.kind === 'api') times.push(event.body.response_time_ms ?? 0);
      else versions.add(event.body.tags?.version);
    }
    return { meanMs: times.reduce((sum, ms) => sum + ms, 0) / times.length, versions: [...versions] };
  };
  const before = look(deployMs - 4 * HOUR_MS, deployMs);
  const after = look(deployMs, deployMs + 4 * HOUR_MS);
  assert.equal([before.versions, after.versions], [['2.8.0'], ['2.9.0']]);
  assert.ok(before.meanMs > 1.8 * after.meanMs, `${before.meanMs} ms before, ${after.meanMs} ms after`);
});

test('no alert fires on a day without an incident', () => {
  const begunMs = BEGUN[0] ?? 0;
  assert.equal(alertsIn(storyOf(begunMs), begunMs - 60 * HOUR_MS, begunMs - 36 * HOUR_MS), []);
});

test.run();
