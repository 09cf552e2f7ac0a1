import type { Thresholds } from './condition.js';
import { describeDuration } from './durations.js';
import { neverHolds } from './never-holds.js';
import type { RuleLines, RuleProblem } from './parse-rules.js';
import type { AlertRule } from './rule.js';

/** What the rules will be evaluated with. */
export interface CheckSettings {
  readonly intervalMs: number;
  readonly thresholds: Thresholds;
}

/** Looks for what is valid and probably not meant, in the order of the file. */
export function warnAbout(rules: readonly AlertRule[], lines: RuleLines, settings: CheckSettings): RuleProblem[] {
  return rules.flatMap((rule) =>
    warningsOf(rule, settings).map((detail) => ({
      line: lines.get(rule.name) ?? 1,
      detail: `${rule.name}: ${detail}`,
    })),
  );
}

function warningsOf(rule: AlertRule, { intervalMs, thresholds }: CheckSettings): string[] {
  const warnings: string[] = [];
  const interval = describeDuration(intervalMs);
  if (rule.notification.length === 0) warnings.push('nobody is told of it: notification is missing');
  if (rule.forMs > 0 && rule.forMs < intervalMs) {
    warnings.push(`for is shorter than the evaluation interval of ${interval}, so it is one interval`);
  }
  if (rule.keepFiringForMs > 0 && rule.keepFiringForMs <= intervalMs) {
    warnings.push(`keep_firing_for is not longer than the evaluation interval of ${interval}, so it changes nothing`);
  }
  if (rule.windowMs < intervalMs) {
    warnings.push(`window is shorter than the evaluation interval of ${interval}, so it is one interval`);
  } else if (rule.windowMs % intervalMs !== 0) {
    const windowMs = Math.ceil(rule.windowMs / intervalMs) * intervalMs;
    warnings.push(
      `window is no whole number of evaluation intervals of ${interval}: it is ${describeDuration(windowMs)}`,
    );
  }
  for (const [key, condition] of [
    ['condition', rule.condition],
    ['resolve_condition', rule.resolveCondition],
  ] as const) {
    const why = condition === undefined ? undefined : neverHolds(condition.text, thresholds);
    if (why !== undefined) warnings.push(`${key} can never hold: ${why}`);
  }
  return warnings;
}
