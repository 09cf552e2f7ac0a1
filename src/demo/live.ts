import { pause } from '../stream/stream-follower.js';
import { type DemoEvent, eventsOfMinute, MINUTE_MS, minuteOf } from './minute.js';
import type { Story } from './story.js';
import type { Stretch } from './stretches.js';

const TICK_MS = 250;
/** After a machine has slept, no more than that is made up for; the rest another start fills in. */
const MAX_CATCH_UP_MINUTES = 60;
/** What was sent so long ago has arrived. */
const ARRIVED_MINUTES = 1;

export interface LiveOptions {
  /** Where history ends. */
  readonly fromMs: number;
  readonly now: () => number;
  readonly signal: AbortSignal;
  /** Hands one event to the service. Does not throw, and is not waited for. */
  readonly send: (event: DemoEvent) => void;
  /** Told every minute which minutes the log has whole by now. Does not throw, and is not waited for. */
  readonly onPlayed: (minutes: Stretch) => void;
}

/** Sends each event when its time has come, until told to stop. */
export async function playLive(story: Story, { fromMs, now, signal, send, onPlayed }: LiveOptions): Promise<void> {
  let fromMinute = minuteOf(fromMs);
  let toldUntil = fromMinute;
  let sentUntilMs = fromMs;
  while (!signal.aborted) {
    const untilMs = Math.max(now(), sentUntilMs);
    const earliest = minuteOf(untilMs) - MAX_CATCH_UP_MINUTES;
    if (minuteOf(sentUntilMs) < earliest) {
      fromMinute = earliest;
      sentUntilMs = earliest * MINUTE_MS;
    }
    for (const event of eventsBetween(story, sentUntilMs, untilMs)) send(event);
    sentUntilMs = untilMs;
    const untilMinute = minuteOf(untilMs) - ARRIVED_MINUTES;
    if (untilMinute > Math.max(fromMinute, toldUntil)) {
      onPlayed({ fromMinute, untilMinute });
      toldUntil = untilMinute;
    }
    await pause(TICK_MS, signal);
  }
}

/** What happens from a time on (included) until another (not included), in order. */
export function* eventsBetween(story: Story, fromMs: number, untilMs: number): Generator<DemoEvent> {
  if (fromMs >= untilMs) return;
  for (let minute = minuteOf(fromMs); minute <= minuteOf(untilMs); minute += 1) {
    for (const event of eventsOfMinute(story, minute)) {
      if (event.occurredAtMs >= fromMs && event.occurredAtMs < untilMs) yield event;
    }
  }
}
