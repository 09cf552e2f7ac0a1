import { encodeBody } from '../events/codec.js';
import { subjectOf } from '../events/subjects.js';
import { formatTime } from '../events/time.js';
import type { Appender, AppendRequest } from '../stream/append.js';
import { pause } from '../stream/stream-follower.js';
import { eventsBetween } from './live.js';
import { type DemoEvent, eventsOfMinute, MINUTE_MS, minuteOf } from './minute.js';
import type { Story } from './story.js';
import type { Stretch } from './stretches.js';

const EVENTS_PER_CHUNK = 1_000;
const MAX_TRIES = 20;
const MAX_REST_MS = 2_000;

export interface HistoryOptions {
  readonly appender: Pick<Appender, 'appendAll'>;
  readonly signal: AbortSignal;
  /** For how long it rests after some thousand events, in times of how long they took; 0 where it is not given. */
  readonly restRatio?: number;
  /** Told of events that were appended, and of the minutes that the log has whole by them. Waited for. */
  readonly onAppended: (events: number, minutes: Stretch) => Promise<void>;
}

/** The log does not take events. */
export class HistoryRefused extends Error {}

/**
 * Appends what happened in a stretch of minutes that are over, in order. What the log or the tables have already is not counted
 * again, since ids and times are the same.
 *
 * @throws HistoryRefused where the log takes nothing for long
 */
export async function appendStretch(story: Story, stretch: Stretch, options: HistoryOptions): Promise<void> {
  const { fromMinute, untilMinute } = stretch;
  const chunk = new Chunk(fromMinute, options);
  for (let minute = fromMinute; minute < untilMinute && !options.signal.aborted; minute += 1) {
    await chunk.addMinute(eventsOfMinute(story, minute));
  }
  await chunk.send();
}

/**
 * As `appendStretch`, from a minute on until the clock is reached.
 *
 * @returns the time before which everything was appended, ms since 1970
 */
export async function appendUntilNow(
  story: Story,
  fromMinute: number,
  now: () => number,
  options: HistoryOptions,
): Promise<number> {
  const chunk = new Chunk(fromMinute, options);
  let minute = fromMinute;
  for (; minute < minuteOf(now()) && !options.signal.aborted; minute += 1) {
    await chunk.addMinute(eventsOfMinute(story, minute));
  }
  // The minute that goes on, up to this moment.
  const untilMs = now();
  chunk.addPart([...eventsBetween(story, minute * MINUTE_MS, untilMs)]);
  await chunk.send();
  return untilMs;
}

/** Events on their way into the log, some thousand at a time. */
class Chunk {
  #events: DemoEvent[] = [];
  #untilMinute: number;
  #begunMs = performance.now();

  constructor(
    private fromMinute: number,
    private readonly options: HistoryOptions,
  ) {
    this.#untilMinute = fromMinute;
  }

  async addMinute(events: readonly DemoEvent[]): Promise<void> {
    this.#events.push(...events);
    this.#untilMinute += 1;
    if (this.#events.length >= EVENTS_PER_CHUNK) await this.send();
  }

  /** Of a minute that is not over. */
  addPart(events: readonly DemoEvent[]): void {
    this.#events.push(...events);
  }

  /** Appends what there is, and rests; nothing, once the signal has come. */
  async send(): Promise<void> {
    const { signal, restRatio = 0, onAppended } = this.options;
    const events = this.#events;
    const minutes = { fromMinute: this.fromMinute, untilMinute: this.#untilMinute };
    this.#events = [];
    this.fromMinute = this.#untilMinute;
    if (await append(events, this.options)) await onAppended(events.length, minutes);
    await pause(Math.min(MAX_REST_MS, (performance.now() - this.#begunMs) * restRatio), signal);
    this.#begunMs = performance.now();
  }
}

/** Whether all were appended, which they are not once the signal has come. */
async function append(events: readonly DemoEvent[], { appender, signal }: HistoryOptions): Promise<boolean> {
  const requests = events.map(toRequest);
  for (let tries = 1; !signal.aborted; tries += 1) {
    const result = await appender.appendAll(requests);
    if (result.kind === 'stored') return true;
    if (tries === MAX_TRIES) throw new HistoryRefused(`The log does not take the demo's history: ${result.reason}`);
    await pause(result.retryAfterSeconds * 1_000, signal);
  }
  return false;
}

function toRequest({ id, occurredAtMs, event }: DemoEvent): AppendRequest {
  return { id, subject: subjectOf(event), payload: encodeBody(event, formatTime(occurredAtMs)) };
}
