import type { Thresholds } from '../condition.js';
import type { AlertRule } from '../rule.js';
import type { Series } from './series.js';

/** What one service does in a test, one value an interval. */
export interface ServiceSeries {
  readonly service: string;
  /** Answered requests in the interval, spread evenly over it. */
  readonly requests: Series;
  /** How many of them have status 500. */
  readonly errors: Series;
  /** Of each of them, ms; a gap: they carry none. */
  readonly responseTime: Series;
  /** Metric → measurement at the interval's beginning. */
  readonly gauges: ReadonlyMap<string, Series>;
}

/** An alert that has to be there. */
export interface ExpectedAlert {
  readonly line: number;
  readonly name: string;
  readonly status: ExpectedStatus;
  /** Those that it has to have; others may be there. */
  readonly labels: Readonly<Record<string, string>>;
  /** When it began to fire, or to be pending, ms from the beginning; undefined: whenever. */
  readonly startsAtMs: number | undefined;
}

export const EXPECTED_STATUSES = ['firing', 'pending', 'resolved'] as const;
export type ExpectedStatus = (typeof EXPECTED_STATUSES)[number];

/** An alert as it is at one time of a test. */
export interface FoundAlert {
  readonly rule: AlertRule;
  readonly status: ExpectedStatus;
  /** The rule's, the service's name and the severity. */
  readonly labels: Readonly<Record<string, string>>;
  /** ms from the beginning. */
  readonly startsAtMs: number;
  readonly value: number | null;
}

export interface Expectation {
  readonly line: number;
  /** ms from the beginning, a whole number of evaluation intervals. */
  readonly evalTimeMs: number;
  /** Only this rule is looked at; undefined: all. */
  readonly rule: string | undefined;
  readonly alerts: readonly ExpectedAlert[];
}

export interface TestCase {
  readonly line: number;
  readonly name: string;
  /** From one value of the series to the next. */
  readonly intervalMs: number;
  readonly services: readonly ServiceSeries[];
  /** Event type → events in the interval, spread evenly over it. */
  readonly events: ReadonlyMap<string, Series>;
  /** In the order of their times. */
  readonly expectations: readonly Expectation[];
}

/** A file of tests, read and checked. */
export interface TestFile {
  readonly rules: readonly AlertRule[];
  readonly evaluationIntervalMs: number;
  readonly thresholds: Thresholds;
  readonly cases: readonly TestCase[];
}
