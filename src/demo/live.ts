import { pause } from '../stream/stream-follower.js';
import { type DemoEvent, eventsOfMinute, minuteOf } from './minute.js';
import type { Story } from './story.js';

const TICK_MS = 250;
/** After a machine has slept, no more than that is made up for. */
const MAX_CATCH_UP_MS = 3_600_000;

export interface LiveOptions {
  /** Where history ends. */
  readonly fromMs: number;
  readonly now: () => number;
  readonly signal: AbortSignal;
  /** Hands one event to the service. Does not throw, and is not waited for. */
  readonly send: (event: DemoEvent) => void;
}

/** Sends each event when its time has come, until told to stop. */
export async function playLive(story: Story, { fromMs, now, signal, send }: LiveOptions): Promise<void> {
  let sentUntilMs = fromMs;
  while (!signal.aborted) {
    const untilMs = Math.max(now(), sentUntilMs);
    for (const event of eventsBetween(story, Math.max(sentUntilMs, untilMs - MAX_CATCH_UP_MS), untilMs)) send(event);
    sentUntilMs = untilMs;
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
