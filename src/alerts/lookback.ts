import { MAX_AHEAD_MS } from '../events/validate.js';
import { GRACE_MS } from './alert-engine.js';
import type { AlertRule } from './rule.js';

/**
 * How far before a moment the log is read, ms, so that an engine that begins there knows at that moment what one knows that
 * always ran: windows are full, what is pending has been pending since its time, and an event that was dated ahead when it
 * was stored is there. What it does not know is an alert that has fired for longer, and a service that has been silent
 * for longer.
 */
export function lookbackMs(rules: readonly AlertRule[], intervalMs: number): number {
  const longest = (of: (rule: AlertRule) => number): number =>
    rules.reduce((most, rule) => Math.max(most, of(rule)), 0);
  return (
    longest(({ windowMs }) => windowMs) +
    longest(({ forMs }) => forMs) +
    longest(({ keepFiringForMs }) => keepFiringForMs) +
    MAX_AHEAD_MS +
    GRACE_MS +
    2 * intervalMs
  );
}
