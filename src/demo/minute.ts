import type { EventBody } from '../events/kinds.js';
import type { Happening } from './happening.js';
import { deployNotes, machineRequests, measurements, strayErrors, surges } from './machines.js';
import { sessionSteps } from './sessions.js';
import type { Story } from './story.js';

export const MINUTE_MS = 60_000;

/** An event of the demo, before it is sent. */
export interface DemoEvent {
  /** The same for the same thing, however often and by whatever process its minute is played. */
  readonly id: string;
  readonly occurredAtMs: number;
  readonly event: EventBody;
}

/** The minute that a time lies in, counted from 1970. */
export function minuteOf(timeMs: number): number {
  return Math.floor(timeMs / MINUTE_MS);
}

/** Everything that happens in a minute, in order of time. Pure: the same story and minute give the same events. */
export function eventsOfMinute(story: Story, minute: number): DemoEvent[] {
  const happenings: Happening[] = [
    ...measurements(story, minute),
    ...sessionSteps(story, minute),
    ...machineRequests(story, minute),
    ...surges(story, minute),
    ...strayErrors(story, minute),
    ...deployNotes(story, minute),
  ];
  const prefix = `demo-${story.seed}-${minute.toString(36)}`;
  return happenings
    .sort((a, b) => a.atMs - b.atMs)
    .map(({ key, atMs, event }) => ({ id: `${prefix}-${key}`, occurredAtMs: atMs, event }));
}
