import type { Publisher } from '../client/index.js';
import type { Appender } from '../stream/append.js';
import type { JetStreamManager } from '../stream/connection.js';
import { appendHistory, type HistoryOptions, type PlayedHistory } from './history.js';
import { playLive } from './live.js';
import { readDemoLog } from './log-end.js';
import { MINUTE_MS, minuteOf } from './minute.js';
import { type Story, tellStory } from './story.js';
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

export interface DemoParts {
  readonly manager: JetStreamManager;
  readonly appender: Appender;
  readonly publisher: Publisher;
  readonly size: DemoSize;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** The story of this start, and the first minute of it that the log does not have whole. */
interface Plan {
  readonly begunMs: number;
  readonly startMs: number;
  readonly fromMinute: number;
}

/** The demo of one start: history first, from where the log has it, then what happens now. */
export class Demo {
  constructor(
    private readonly parts: DemoParts,
    private readonly plan: Plan,
  ) {}

  /** Looks at how far the log is. */
  static async open(parts: DemoParts): Promise<Demo> {
    const startMs = parts.now();
    const { begunMs = startMs, storedUntilMs = 0 } = await readDemoLog(parts.manager);
    const earliest = minuteOf(startMs) - parts.size.days * DAY_MINUTES;
    const fromMinute = Math.min(minuteOf(startMs), Math.max(earliest, minuteOf(storedUntilMs)));
    return new Demo(parts, { begunMs, startMs, fromMinute });
  }

  /** Whether an earlier start has left events that this one goes on behind. */
  get isContinued(): boolean {
    return this.plan.begunMs !== this.plan.startMs;
  }

  /** What lies behind. */
  get past(): Story {
    return this.#story(undefined);
  }

  /** How long the history is that is missing, ms. */
  get missingMs(): number {
    return this.plan.startMs - this.plan.fromMinute * MINUTE_MS;
  }

  /** Appends what is missing up to now. @throws HistoryRefused */
  playHistory(onProgress: HistoryOptions['onProgress']): Promise<PlayedHistory> {
    const { appender, now, signal } = this.parts;
    const { fromMinute } = this.plan;
    return appendHistory(this.past, { appender, fromMinute, now, signal, onProgress });
  }

  /** Sends what happens from `fromMs` on, and an incident soon after, until the signal. */
  async playLive(fromMs: number, way: Pick<WaysInOptions, 'baseUrl' | 'token' | 'onTrouble'>): Promise<void> {
    const { publisher, now, signal } = this.parts;
    const send = waysIn({ ...way, publisher, signal });
    await playLive(this.#story(fromMs), { fromMs, now, signal, send });
  }

  #story(liveMs: number | undefined): Story {
    const { seed, sessionsPerMinute } = this.parts.size;
    const { begunMs, startMs } = this.plan;
    return tellStory({ seed, sessionsPerMinute, begunMs, startMs, liveMs });
  }
}
