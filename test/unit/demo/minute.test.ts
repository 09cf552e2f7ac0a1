import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type DemoEvent, eventsOfMinute, MINUTE_MS, minuteOf } from '../../../src/demo/minute.js';
import { SERVICES } from '../../../src/demo/platform.js';
import { busyness } from '../../../src/demo/rhythm.js';
import { MAX_SESSION_MINUTES } from '../../../src/demo/sessions.js';
import { type Story, type StoryOptions, tellStory } from '../../../src/demo/story.js';
import { decodeMessage, encodeBody } from '../../../src/events/codec.js';
import { subjectOf } from '../../../src/events/subjects.js';

const BEGUN_MS = Date.parse('2026-11-25T15:20:10.500Z');
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const test = suite('what happens in a minute of the demo');

function story(changes: Partial<StoryOptions> = {}): Story {
  return tellStory({ seed: 1, sessionsPerMinute: 0.4, begunMs: BEGUN_MS, startMs: BEGUN_MS, ...changes });
}

function play(told: Story, fromMs: number, untilMs: number): DemoEvent[] {
  const minutes = Array.from({ length: minuteOf(untilMs) - minuteOf(fromMs) }, (_, index) => minuteOf(fromMs) + index);
  return minutes.flatMap((minute) => eventsOfMinute(told, minute));
}

const lastDay = play(story(), BEGUN_MS - DAY_MS, BEGUN_MS);

test('is valid, each event, for the decoder of the log', () => {
  const live = play(story({ liveMs: BEGUN_MS }), BEGUN_MS, BEGUN_MS + 5 * MINUTE_MS);
  for (const { id, occurredAtMs, event } of [...lastDay, ...live]) {
    const outcome = decodeMessage(
      {
        subject: subjectOf(event),
        data: encodeBody(event, new Date(occurredAtMs).toISOString()),
        header: (name) => (name.toLowerCase() === 'nats-msg-id' ? id : undefined),
        sequence: 1,
        storedAtMs: BEGUN_MS + 5 * MINUTE_MS,
      },
      { retentionDays: 8, matchSource: () => undefined },
    );
    assert.ok(outcome.ok, JSON.stringify([event, outcome]));
    assert.is(outcome.value.id, id);
    assert.is(outcome.value.occurredAtMs, occurredAtMs);
    assert.equal(outcome.value.kind, event.kind);
  }
});

test('lies in that minute, in order, and every id is there once', () => {
  const minute = minuteOf(BEGUN_MS - 4 * HOUR_MS);
  const events = eventsOfMinute(story(), minute);
  assert.ok(events.every(({ occurredAtMs }) => minuteOf(occurredAtMs) === minute));
  assert.equal(
    events,
    events.toSorted((a, b) => a.occurredAtMs - b.occurredAtMs),
  );
  assert.is(new Set(lastDay.map(({ id }) => id)).size, lastDay.length);
});

test('is the same whenever and in whatever order minutes are played, and another with another seed', () => {
  const minutes = [0, 7, 3].map((later) => minuteOf(BEGUN_MS) - 300 + later);
  const once = minutes.map((minute) => eventsOfMinute(story(), minute));
  const told = story();
  const again = minutes.toReversed().map((minute) => eventsOfMinute(told, minute));
  assert.equal(again.toReversed(), once);
  assert.not.equal(
    minutes.map((minute) => eventsOfMinute(story({ seed: 2 }), minute)),
    once,
  );
});

test('keeps its ids and times where another start tells another story of it', () => {
  const untilMs = BEGUN_MS + 3 * MINUTE_MS;
  const without = play(story(), BEGUN_MS, untilMs);
  const restarted = play(story({ startMs: BEGUN_MS + DAY_MS, liveMs: BEGUN_MS }), BEGUN_MS, untilMs);
  const times = new Map(restarted.map(({ id, occurredAtMs }) => [id, occurredAtMs]));
  const shared = without.filter(({ event }) => event.kind !== 'system');
  assert.ok(shared.length > 10);
  for (const { id, occurredAtMs } of shared) assert.is(times.get(id), occurredAtMs, id);
});

test('is of six services, with requests and measurements of each, sessions that begin and end, and all that is counted', () => {
  const names = SERVICES.map(({ name }) => name).sort();
  const of = (kind: 'api' | 'system'): string[] => [
    ...new Set(lastDay.flatMap(({ event }) => (event.kind === kind ? [event.body.service_name] : []))),
  ];
  assert.is(names.length, 6);
  assert.equal(of('api').sort(), names);
  assert.equal(of('system').sort(), names);
  const types = new Set(lastDay.flatMap(({ event }) => (event.kind === 'user' ? [event.body.event_type] : [])));
  for (const type of ['user_login', 'user_logout', 'user_registered', 'feature_used', 'appointment_created']) {
    assert.ok(types.has(type), type);
  }
  for (const type of ['notification_sent', 'device_registered', 'patient_record_viewed', 'deploy_finished']) {
    assert.ok(types.has(type), type);
  }
});

test('a session has its events in one piece, no longer than what is looked back on', () => {
  const spans = new Map<unknown, { first: number; last: number }>();
  for (const { event, occurredAtMs } of lastDay) {
    const session = event.kind === 'user' ? event.body.metadata?.session_id : undefined;
    if (session === undefined) continue;
    const { first = occurredAtMs } = spans.get(session) ?? {};
    spans.set(session, { first, last: occurredAtMs });
  }
  assert.ok(spans.size > 100, `${spans.size} sessions`);
  const longest = Math.max(...[...spans.values()].map(({ first, last }) => last - first));
  assert.ok(longest > 5 * MINUTE_MS && longest < MAX_SESSION_MINUTES * MINUTE_MS, String(longest));
});

test('is busy by day, quiet at night, and less at weekends', () => {
  const at = (time: string): number => busyness(Date.parse(time));
  assert.ok(at('2026-11-25T10:30:00Z') > 5 * at('2026-11-25T03:00:00Z'));
  assert.ok(at('2026-11-25T10:30:00Z') > at('2026-11-25T13:15:00Z'), 'lunch');
  assert.ok(at('2026-11-28T10:30:00Z') < 0.7 * at('2026-11-27T10:30:00Z'), 'Saturday');
  const within = (fromHour: number, untilHour: number): number =>
    lastDay.filter(({ event, occurredAtMs }) => {
      const hour = new Date(occurredAtMs).getUTCHours();
      return event.kind === 'api' && event.body.user_id !== undefined && hour >= fromHour && hour < untilHour;
    }).length;
  assert.ok(within(9, 12) > 3 * within(1, 4), `${within(9, 12)} by day, ${within(1, 4)} at night`);
});

test.run();
