import { encodeBody } from '../events/codec.js';
import { subjectOf } from '../events/subjects.js';
import { formatTime } from '../events/time.js';
import type { Appender, AppendRequest } from '../stream/append.js';
import { pause } from '../stream/stream-follower.js';
import { type DemoEvent, eventsOfMinute, minuteOf } from './minute.js';
import type { Story } from './story.js';

const EVENTS_PER_CHUNK = 2_000;
const MAX_TRIES = 20;

export interface HistoryOptions {
  readonly appender: Pick<Appender, 'appendAll'>;
  /** The first minute that is appended. */
  readonly fromMinute: number;
  readonly now: () => number;
  readonly signal: AbortSignal;
  /** @param share of the time, 0 to 1 */
  readonly onProgress: (events: number, share: number) => void;
}

export interface PlayedHistory {
  /** Events that were appended, those that the log had already among them. */
  readonly events: number;
  /** Everything before this time has been appended. */
  readonly untilMs: number;
}

/** The log does not take events. */
export class HistoryRefused extends Error {}

/**
 * Appends what happened from a minute on until now, in order. What the log or the tables have already is not counted
 * again, since ids and times are the same.
 *
 * @throws HistoryRefused where the log takes nothing for long
 */
export async function appendHistory(story: Story, options: HistoryOptions): Promise<PlayedHistory> {
  const { fromMinute, now, signal, onProgress } = options;
  const spanMinutes = Math.max(1, minuteOf(now()) - fromMinute);
  let untilMs = now();
  let chunk: DemoEvent[] = [];
  let events = 0;
  const send = async (share: number): Promise<void> => {
    await appendChunk(chunk, options);
    events += chunk.length;
    chunk = [];
    onProgress(events, share);
  };
  // The minute that goes on is the last, up to the moment at which it is reached.
  for (let minute = fromMinute; minute <= minuteOf(untilMs) && !signal.aborted; minute += 1) {
    if (minute === minuteOf(untilMs)) untilMs = now();
    const until = untilMs;
    chunk.push(...eventsOfMinute(story, minute).filter(({ occurredAtMs }) => occurredAtMs < until));
    if (chunk.length >= EVENTS_PER_CHUNK) await send(Math.min(1, (minute - fromMinute + 1) / spanMinutes));
  }
  if (!signal.aborted) await send(1);
  return { events, untilMs };
}

async function appendChunk(chunk: readonly DemoEvent[], { appender, signal }: HistoryOptions): Promise<void> {
  const requests = chunk.map(toRequest);
  for (let tries = 1; !signal.aborted; tries += 1) {
    const result = await appender.appendAll(requests);
    if (result.kind === 'stored') return;
    if (tries === MAX_TRIES) throw new HistoryRefused(`The log does not take the demo's history: ${result.reason}`);
    await pause(result.retryAfterSeconds * 1_000, signal);
  }
}

function toRequest({ id, occurredAtMs, event }: DemoEvent): AppendRequest {
  return { id, subject: subjectOf(event), payload: encodeBody(event, formatTime(occurredAtMs)) };
}
