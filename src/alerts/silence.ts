import type { Silenced } from '../stream/alert-actions.js';
import { type AlertMessage, msOf } from './alert.js';

/** A silence as it stands: alerts that it covers are not notified of. */
export interface Silence {
  readonly id: string;
  /** When it was made, by the log, ms since 1970. */
  readonly madeAtMs: number;
  readonly by: string;
  readonly comment: string;
  /** Label → exact value; `alertname` is the rule's name, `severity` its severity. */
  readonly matchers: Readonly<Record<string, string>>;
  /** Undefined: until the alerts that fired when it was made have resolved. */
  readonly untilMs: number | undefined;
  /** When somebody ended it, by the log, ms. */
  readonly endedAtMs: number | undefined;
}

type Silenceable = Pick<AlertMessage, 'name' | 'severity' | 'labels' | 'starts_at'>;

export function silenceOf(action: Silenced, storedAtMs: number): Silence {
  const { id, by, comment, matchers, until } = action;
  return {
    id,
    madeAtMs: storedAtMs,
    by,
    comment,
    matchers,
    untilMs: until === null ? undefined : msOf(until),
    endedAtMs: undefined,
  };
}

/**
 * Whether a silence covers an alert at a time. One that is until resolved covers what fired already when it was made, up
 * to and with the word that it has resolved; what begins to fire later is new, and is told.
 */
export function covers(silence: Silence, alert: Silenceable, atMs: number): boolean {
  if (silence.madeAtMs > atMs || hasEnded(silence, atMs)) return false;
  if (silence.untilMs === undefined && msOf(alert.starts_at) > silence.madeAtMs) return false;
  return matches(silence.matchers, alert);
}

/** Whether an alert has all of these labels. */
export function matches(matchers: Silence['matchers'], alert: Omit<Silenceable, 'starts_at'>): boolean {
  return Object.entries(matchers).every(([label, value]) => labelValue(alert, label) === value);
}

/** Whether its time is over, or somebody has ended it. */
export function hasEnded({ untilMs, endedAtMs }: Silence, atMs: number): boolean {
  return (untilMs !== undefined && untilMs <= atMs) || (endedAtMs !== undefined && endedAtMs <= atMs);
}

function labelValue({ name, severity, labels }: Omit<Silenceable, 'starts_at'>, label: string): string | undefined {
  if (label === 'alertname') return name;
  return label === 'severity' ? severity : labels[label];
}
