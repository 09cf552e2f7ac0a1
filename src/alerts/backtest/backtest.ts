import type { LogEvent } from '../../events/kinds.js';
import { AlertEngine, GRACE_MS } from '../alert-engine.js';
import type { Thresholds } from '../condition.js';
import type { Transition } from '../evaluate.js';
import type { AlertRule } from '../rule.js';
import { type Episode, type RuleTotals, totalsOf } from './episodes.js';

export interface BacktestOptions {
  readonly rules: readonly AlertRule[];
  readonly intervalMs: number;
  readonly thresholds: Thresholds;
  /** What is told happened in (fromMs, toMs]; whole numbers of intervals, ms since 1970. */
  readonly fromMs: number;
  readonly toMs: number;
  /** The engine begins here, so that it knows at `fromMs` what one knows that always ran; see lookbackMs. */
  readonly startMs: number;
  /** Whether events count that were stored too long after their bucket's end to page anybody. */
  readonly countLate: boolean;
}

/** A transition, and how long what began, or ended, with it lasted. */
export interface TimedTransition extends Transition {
  /** Null where it still goes on at the end. */
  readonly lengthMs: number | null;
}

export interface BacktestResult {
  readonly transitions: readonly TimedTransition[];
  /** Stretches of firing that reach into the range, by their beginning. */
  readonly episodes: readonly Episode[];
  readonly totals: readonly RuleTotals[];
  /** Events of the range that were stored too late to count, where they were not to count. */
  readonly late: number;
  /** What was judged, ms; before `toMs` where the log's time has not come so far. */
  readonly evaluatedUntilMs: number;
}

/** More transitions than a person would read; their list stays in memory. */
const MAX_TRANSITIONS = 1_000_000;

/** Too much to tell: a shorter range, or rules that do not flap, are wanted. */
export class TooManyTransitions extends Error {
  constructor() {
    super(`There are more than ${MAX_TRANSITIONS} transitions; try a shorter range`);
  }
}

/** Hands the log to the engine of live evaluation, and keeps what it tells. Pure: the same log gives the same result. */
export class Backtest {
  readonly #engine: AlertEngine;
  readonly #transitions: Transition[] = [];
  #lateBefore = 0;

  constructor(private readonly options: BacktestOptions) {
    const { rules, intervalMs, thresholds, startMs } = options;
    this.#engine = new AlertEngine({ rules, intervalMs, thresholds, closedUntilMs: startMs });
  }

  /**
   * @param storedAtMs when it was stored, which is the log's time
   * @throws TooManyTransitions
   */
  take(event: LogEvent, storedAtMs: number): void {
    // What shall count although it came late must find its bucket open: the log's time stands still until the end.
    if (this.options.countLate) this.#keep(this.#engine.take(event, this.options.startMs));
    else this.#keep(this.#engine.take(event, storedAtMs));
    if (this.#engine.closedUntilMs <= this.options.fromMs) this.#lateBefore = this.#engine.late;
  }

  /** @param logTimeMs everything that was stored up to then has been taken */
  finish(logTimeMs: number): BacktestResult {
    const { rules, fromMs, toMs } = this.options;
    this.#keep(this.#engine.advance(Math.min(logTimeMs, toMs + GRACE_MS)));
    const evaluatedUntilMs = this.#engine.closedUntilMs;
    const { transitions, episodes } = followed(this.#transitions);
    const reaching = episodes.filter(({ endsAtMs }) => endsAtMs === null || endsAtMs > fromMs);
    return {
      transitions: transitions.filter(({ atMs }) => atMs > fromMs),
      episodes: reaching,
      totals: totalsOf(rules, reaching, fromMs, evaluatedUntilMs),
      late: this.options.countLate ? 0 : this.#engine.late - this.#lateBefore,
      evaluatedUntilMs,
    };
  }

  #keep(transitions: readonly Transition[]): void {
    for (const transition of transitions) {
      if (this.#transitions.length >= MAX_TRANSITIONS) throw new TooManyTransitions();
      this.#transitions.push(transition);
    }
  }
}

/** Gives each transition the length of what it begins or ends. */
function followed(transitions: readonly Transition[]): { transitions: TimedTransition[]; episodes: Episode[] } {
  const timed = transitions.map((transition) => ({ ...transition, lengthMs: null as number | null }));
  const begun = new Map<string, (typeof timed)[number]>();
  const episodes: Episode[] = [];
  for (const transition of timed) {
    const { rule, service, to, atMs } = transition;
    const key = `${rule.name} ${service ?? ''}`;
    const before = begun.get(key);
    if (before !== undefined) {
      before.lengthMs = atMs - before.atMs;
      if (to === 'resolved' || to === 'inactive') transition.lengthMs = before.lengthMs;
      if (before.to === 'firing') episodes.push(episodeOf(before, atMs));
    }
    if (to === 'firing' || to === 'pending') begun.set(key, transition);
    else begun.delete(key);
  }
  for (const open of begun.values()) if (open.to === 'firing') episodes.push(episodeOf(open, null));
  return { transitions: timed, episodes: episodes.sort(byStart) };
}

function episodeOf({ rule, service, atMs, value }: Transition, endsAtMs: number | null): Episode {
  return { rule: rule.name, service, startsAtMs: atMs, endsAtMs, value };
}

function byStart(a: Episode, b: Episode): number {
  if (a.startsAtMs !== b.startsAtMs) return a.startsAtMs - b.startsAtMs;
  const [first, second] = [`${a.rule} ${a.service ?? ''}`, `${b.rule} ${b.service ?? ''}`];
  return first < second ? -1 : first > second ? 1 : 0;
}
