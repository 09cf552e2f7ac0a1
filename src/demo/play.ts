import type { Publisher } from '../client/index.js';
import type { Appender } from '../stream/append.js';
import type { JetStreamManager, NatsConnection } from '../stream/connection.js';
import { appendStretch, appendUntilNow, type HistoryOptions } from './history.js';
import { playLive } from './live.js';
import { minuteOf } from './minute.js';
import { PlayedMinutes } from './played-minutes.js';
import { type Story, tellStory } from './story.js';
import { minutesOf, missingOf, type Stretch } from './stretches.js';
import { type WaysInOptions, waysIn } from './ways-in.js';

/** How large a demo is. */
export interface DemoSize {
  readonly seed: number;
  readonly days: number;
  /** Sessions of users that begin in a minute, on average over a day. */
  readonly sessionsPerMinute: number;
}

/** Some 130,000 events in seven days. */
export const DEMO_SIZE: DemoSize = { seed: 1, days: 7, sessionsPerMinute: 0.25 };

const DAY_MINUTES = 1_440;
/** The service, which folds what is appended and answers the page, shares a thread with the demo: half of it is left to it. */
const REST_RATIO = 1;
/** What tells how services are now, and lets live traffic begin. */
const FIRST_MINUTES = 60;

export interface DemoParts {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly appender: Appender;
  readonly publisher: Publisher;
  readonly size: DemoSize;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** The story of this start, and the minutes that the log does not have whole. */
interface Plan {
  readonly begunMs: number;
  readonly startMs: number;
  /** From here on until now comes first. */
  readonly recentFromMinute: number;
  /** What comes then, in this order. */
  readonly earlier: readonly Stretch[];
}

/** @param share of the missing time that is played, 0 to 1 */
export type OnProgress = (events: number, share: number) => void;

/** The demo of one start: the last hour, then what happens now, and beside that the day and the days before. */
export class Demo {
  /** What lies behind. */
  readonly past: Story;
  #events = 0;
  #minutes = 0;

  constructor(
    private readonly parts: DemoParts,
    private readonly plan: Plan,
    private readonly played: PlayedMinutes,
  ) {
    this.past = this.#story(undefined);
  }

  /** Looks at what the log has. */
  static async open(parts: DemoParts): Promise<Demo> {
    const played = await PlayedMinutes.open(parts.connection, parts.manager);
    const startMs = parts.now();
    return new Demo(
      parts,
      { ...planOf(played.all, parts.size.days, startMs), begunMs: played.begunMs ?? startMs },
      played,
    );
  }

  /** Whether an earlier start has left events that this one fills in and goes on behind. */
  get isContinued(): boolean {
    return this.plan.begunMs !== this.plan.startMs;
  }

  /** How much of the history is missing, in minutes. */
  get missingMinutes(): number {
    const { recentFromMinute, earlier, startMs } = this.plan;
    return minutesOf(earlier) + Math.max(1, minuteOf(startMs) - recentFromMinute);
  }

  /**
   * Appends what is missing of the last hour.
   *
   * @returns the time before which the log has everything of it, ms since 1970
   * @throws HistoryRefused
   */
  async playRecent(onProgress: OnProgress): Promise<number> {
    return await appendUntilNow(this.past, this.plan.recentFromMinute, this.parts.now, this.#history(onProgress));
  }

  /** Appends what is missing of the time before, the latest day first. @throws HistoryRefused */
  async playEarlier(onProgress: OnProgress): Promise<void> {
    for (const stretch of this.plan.earlier) await appendStretch(this.past, stretch, this.#history(onProgress));
  }

  /** Sends what happens from `fromMs` on, and an incident soon after, until the signal. */
  async playLive(fromMs: number, way: Pick<WaysInOptions, 'baseUrl' | 'token' | 'onTrouble'>): Promise<void> {
    const { publisher, now, signal } = this.parts;
    const send = waysIn({ ...way, publisher, signal });
    const onPlayed = (minutes: Stretch): void => {
      this.played.note(minutes).catch((error: unknown) => {
        if (!signal.aborted) way.onTrouble(`how far the demo is could not be noted: ${String(error)}`);
      });
    };
    await playLive(this.#story(fromMs), { fromMs, now, signal, send, onPlayed });
  }

  #history(onProgress: OnProgress): HistoryOptions {
    const onAppended = async (events: number, minutes: Stretch): Promise<void> => {
      await this.played.note(minutes);
      this.#events += events;
      this.#minutes += minutesOf([minutes]);
      onProgress(this.#events, Math.min(1, this.#minutes / this.missingMinutes));
    };
    const { appender, signal } = this.parts;
    return { appender, signal, restRatio: REST_RATIO, onAppended };
  }

  #story(liveMs: number | undefined): Story {
    const { seed, sessionsPerMinute } = this.parts.size;
    const { begunMs, startMs } = this.plan;
    return tellStory({ seed, sessionsPerMinute, begunMs, startMs, liveMs });
  }
}

/** @param played what the log has */
export function planOf(played: readonly Stretch[], days: number, startMs: number): Omit<Plan, 'begunMs'> {
  const nowMinute = minuteOf(startMs);
  const missing = windowsUntil(nowMinute, days).flatMap((window) => missingOf(window, played).reverse());
  const [first] = missing;
  if (first?.untilMinute === nowMinute) {
    return { startMs, recentFromMinute: first.fromMinute, earlier: missing.slice(1) };
  }
  // All that is missing up to now is the minute that goes on.
  return { startMs, recentFromMinute: nowMinute, earlier: missing };
}

/**
 * The last hour, the rest of the last 24, which is what the page shows at first, the 24 hours that it compares these with, and so
 * on: so the page is full before anything older is played.
 */
function windowsUntil(nowMinute: number, days: number): Stretch[] {
  const edges = [0, FIRST_MINUTES, ...Array.from({ length: days }, (_, day) => (day + 1) * DAY_MINUTES)];
  return edges
    .slice(1)
    .map((edge, index) => ({ fromMinute: nowMinute - edge, untilMinute: nowMinute - (edges[index] ?? 0) }));
}
