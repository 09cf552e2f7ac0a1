import type { BacktestResult, TimedTransition } from './backtest.js';
import type { BacktestRange } from './backtest-range.js';
import { compareEpisodes, type Episode } from './episodes.js';
import type { ReadOutcome } from './read-range.js';

/** What a back-test found, as `--json` prints it. Times are RFC 3339, lengths seconds. */
export interface BacktestDocument {
  readonly from: string;
  readonly to: string;
  /** Before `to` where the log's time has not come so far. */
  readonly evaluated_until: string;
  readonly interval_seconds: number;
  readonly rules_file: string;
  /**
   * Messages of the log: events, what is none, and events that were too late to count; and when the log begins, where it
   * does so after `from`: of the time before nothing is known.
   */
  readonly log: {
    readonly events: number;
    readonly refused: number;
    readonly late: number;
    readonly begins_at: string | null;
  };
  readonly transitions: readonly TransitionLine[];
  readonly rules: readonly RuleLine[];
  /** Null unless two files are compared. */
  readonly diff: DiffDocument | null;
}

export interface TransitionLine {
  readonly at: string;
  readonly to: string;
  readonly rule: string;
  readonly service_name: string | null;
  readonly severity: string;
  readonly value: number | null;
  /** When it began to fire, or to be pending. */
  readonly starts_at: string;
  /** How long what began, or ended, lasted; null where it still goes on. */
  readonly length_seconds: number | null;
}

export interface RuleLine {
  readonly rule: string;
  readonly alerts: number;
  readonly services: number;
  readonly firing_seconds: number;
  readonly longest_seconds: number;
  readonly firing_at_end: number;
}

export interface EpisodeLine {
  readonly rule: string;
  readonly service_name: string | null;
  readonly starts_at: string;
  readonly ends_at: string | null;
  readonly value: number | null;
}

export interface DiffDocument {
  readonly rules_file: string;
  readonly only_here: readonly EpisodeLine[];
  readonly only_there: readonly EpisodeLine[];
  readonly other_times: readonly { readonly here: EpisodeLine; readonly there: EpisodeLine }[];
}

export interface ComparedBacktest {
  readonly file: string;
  readonly result: BacktestResult;
}

/** @param second what is compared with it, if anything is; `beginsAtMs` is set where the log begins after `from` */
export function backtestDocument(
  { fromMs, toMs }: BacktestRange,
  intervalMs: number,
  read: ReadOutcome & { readonly beginsAtMs: number | undefined },
  { file, result }: ComparedBacktest,
  second: ComparedBacktest | undefined,
): BacktestDocument {
  return {
    from: timeOf(fromMs),
    to: timeOf(toMs),
    evaluated_until: timeOf(result.evaluatedUntilMs),
    interval_seconds: intervalMs / 1000,
    rules_file: file,
    log: {
      events: read.events,
      refused: read.refused,
      late: result.late,
      begins_at: read.beginsAtMs === undefined ? null : timeOf(read.beginsAtMs),
    },
    transitions: result.transitions.map(transitionLine),
    rules: result.totals.map(({ rule, alerts, services, firingMs, longestMs, firingAtEnd }) => ({
      rule,
      alerts,
      services,
      firing_seconds: firingMs / 1000,
      longest_seconds: longestMs / 1000,
      firing_at_end: firingAtEnd,
    })),
    diff: second === undefined ? null : diffDocument(result, second),
  };
}

function diffDocument(first: BacktestResult, { file, result }: ComparedBacktest): DiffDocument {
  const { onlyFirst, onlySecond, otherTimes } = compareEpisodes(first.episodes, result.episodes);
  return {
    rules_file: file,
    only_here: onlyFirst.map(episodeLine),
    only_there: onlySecond.map(episodeLine),
    other_times: otherTimes.map(([here, there]) => ({ here: episodeLine(here), there: episodeLine(there) })),
  };
}

function transitionLine({ atMs, to, rule, service, value, startsAtMs, lengthMs }: TimedTransition): TransitionLine {
  return {
    at: timeOf(atMs),
    to,
    rule: rule.name,
    service_name: service ?? null,
    severity: rule.severity,
    value,
    starts_at: timeOf(startsAtMs),
    length_seconds: lengthMs === null ? null : lengthMs / 1000,
  };
}

function episodeLine({ rule, service, startsAtMs, endsAtMs, value }: Episode): EpisodeLine {
  return {
    rule,
    service_name: service ?? null,
    starts_at: timeOf(startsAtMs),
    ends_at: endsAtMs === null ? null : timeOf(endsAtMs),
    value,
  };
}

function timeOf(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
