import { errorText } from './error-text.js';

/** Why an event was given up. */
export type DropReason =
  /** There was no room, because NATS was away or slower than the events came. */
  | 'buffer_full'
  /** It cannot be sent: a name that is no token, or what JSON cannot say. */
  | 'invalid_event'
  | 'event_too_large'
  /** It came after `close()`. */
  | 'publisher_closed'
  /** It was not acknowledged before the time of `close()` was over. It may be stored all the same. */
  | 'not_acknowledged_at_close';

/** Why events are not stored at the moment. They are kept and sent again. */
export type SendTrouble =
  | 'disconnected'
  | 'no_acknowledgement'
  | 'stream_missing'
  | 'stream_full'
  | 'refused_by_stream'
  | 'cannot_publish';

export interface DropNotice {
  /** Events dropped since the notice before, by reason. */
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
  /** Events dropped since the publisher was made. */
  readonly totalDropped: number;
  /** What was wrong with the last one that could not be sent at all. */
  readonly detail?: string;
  /** What keeps events from being stored, where something does. */
  readonly trouble?: SendTrouble;
}

const NOTICE_INTERVAL_MS = 1_000;

/** Counts what is dropped, and tells of it at most once a second. */
export class DropReporter {
  readonly #totals = new Map<DropReason, number>();
  #untold = new Map<DropReason, number>();
  #detail: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastToldMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly onDropped: (notice: DropNotice) => void,
    private readonly trouble: () => SendTrouble | undefined,
  ) {}

  get totals(): Readonly<Partial<Record<DropReason, number>>> {
    return Object.fromEntries(this.#totals);
  }

  count(reason: DropReason, events = 1, detail?: string): void {
    if (events === 0) return;
    this.#totals.set(reason, (this.#totals.get(reason) ?? 0) + events);
    this.#untold.set(reason, (this.#untold.get(reason) ?? 0) + events);
    this.#detail = detail ?? this.#detail;
    // Never within the caller's own call.
    const waitMs = Math.max(0, this.#lastToldMs + NOTICE_INTERVAL_MS - performance.now());
    this.#timer ??= setTimeout(() => this.tell(), waitMs).unref();
  }

  /** Tells now of what was not told yet. */
  tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#untold.size === 0) return;
    const notice = this.#takeNotice();
    this.#lastToldMs = performance.now();
    const warn = (error: unknown): void => {
      process.emitWarning(`onDropped threw: ${errorText(error)}`, 'MetricsClientWarning');
    };
    try {
      // An async function fits the type as well; its rejection would end the process.
      const answer: unknown = this.onDropped(notice);
      if (answer instanceof Promise) answer.catch(warn);
    } catch (error) {
      warn(error);
    }
  }

  #takeNotice(): DropNotice {
    const trouble = this.trouble();
    const notice: DropNotice = {
      dropped: Object.fromEntries(this.#untold),
      totalDropped: [...this.#totals.values()].reduce((sum, count) => sum + count, 0),
      ...(this.#detail === undefined ? {} : { detail: this.#detail }),
      ...(trouble === undefined ? {} : { trouble }),
    };
    this.#untold = new Map();
    this.#detail = undefined;
    return notice;
  }
}

/** What is told where nobody asked to be: silence would hide that numbers are too low. */
export function warnOfDrops({ dropped, detail, trouble }: DropNotice): void {
  const counts = Object.entries(dropped).map(([reason, count]) => `${count} ${reason}`);
  const why = [trouble, detail].filter((each) => each !== undefined);
  const text = `events dropped: ${counts.join(', ')}${why.length === 0 ? '' : ` (${why.join('; ')})`}`;
  process.emitWarning(text, 'MetricsClientWarning');
}
