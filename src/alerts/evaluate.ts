import type { Condition, ConditionContext, Measure } from './condition.js';
import type { AlertRule } from './rule.js';

/**
 * Where a rule stands with one service, or with the platform. Times are ends of closed buckets, ms since 1970.
 *
 *   inactive → pending (the condition holds) → firing (it has held for `for`) → inactive (resolved)
 *
 * Without `for` it fires at once. While it fires, `lastHeldMs` is the last time that it had a reason to.
 */
export type AlertState =
  | { readonly kind: 'pending'; readonly sinceMs: number; readonly value: number | null }
  | {
      readonly kind: 'firing';
      readonly startsAtMs: number;
      readonly lastHeldMs: number;
      readonly value: number | null;
    };

/** What changed at one evaluation. A pending alert is told of in back-tests; it is not published. */
export interface Transition {
  readonly rule: AlertRule;
  /** The service, where the rule is by service. */
  readonly service: string | undefined;
  readonly to: 'pending' | 'firing' | 'resolved' | 'inactive';
  /** When it was evaluated. */
  readonly atMs: number;
  /** When it began to fire; of `pending`, when the condition began to hold. */
  readonly startsAtMs: number;
  /** The number that the condition is about; null where it has none. */
  readonly value: number | null;
}

/**
 * One step of one rule for one service. Pure.
 *
 * @param state undefined: inactive
 * @param atMs end of the bucket that was closed
 */
export function step(
  rule: AlertRule,
  state: AlertState | undefined,
  context: ConditionContext,
  atMs: number,
): AlertState | undefined {
  if (state?.kind === 'firing') return stepFiring(rule, state, context, atMs);
  if (rule.condition.holds(context) !== true) return undefined;
  const sinceMs = state?.sinceMs ?? atMs;
  const value = rule.condition.value(context) ?? state?.value ?? null;
  if (atMs - sinceMs < rule.forMs) return { kind: 'pending', sinceMs, value };
  return { kind: 'firing', startsAtMs: atMs, lastHeldMs: atMs, value };
}

function stepFiring(
  rule: AlertRule,
  state: AlertState & { kind: 'firing' },
  context: ConditionContext,
  atMs: number,
): AlertState | undefined {
  const value = rule.condition.value(context) ?? state.value;
  if (goesOn(rule, context)) return { ...state, lastHeldMs: atMs, value };
  // Strictly less: with keep_firing_for 0 the first time without a reason resolves it.
  return atMs - state.lastHeldMs < rule.keepFiringForMs ? { ...state, value } : undefined;
}

/** Between the condition and the one that resolves it, it goes on: that is what the second is for. */
function goesOn({ condition, resolveCondition }: AlertRule, context: ConditionContext): boolean {
  if (condition.holds(context) === true) return true;
  return resolveCondition !== undefined && resolveCondition.holds(context) === false;
}

/** What rules with one length of window ask. */
export interface WindowDemand {
  readonly windowMs: number;
  readonly measures: ReadonlySet<Measure>;
  readonly eventTypes: ReadonlySet<string>;
  /** Whether a rule is about each service, and whether one is about the platform. */
  readonly ofServices: boolean;
  readonly ofPlatform: boolean;
}

/** One for each length of window. */
export function demandsOf(rules: readonly AlertRule[]): WindowDemand[] {
  return [...Map.groupBy(rules, ({ windowMs }) => windowMs)].map(([windowMs, sharing]) => ({
    windowMs,
    measures: new Set(sharing.flatMap(measuresOf)),
    eventTypes: new Set(conditionsOf(sharing).flatMap(({ eventTypes }) => eventTypes)),
    ofServices: sharing.some(({ by }) => by === 'service_name'),
    ofPlatform: sharing.some(({ by }) => by === 'none'),
  }));
}

/** Measures that a rule names. */
export function measuresOf(rule: AlertRule): Measure[] {
  return conditionsOf([rule]).flatMap(({ measures }) => measures);
}

function conditionsOf(rules: readonly AlertRule[]): Condition[] {
  return rules.flatMap(({ condition, resolveCondition }) => [
    condition,
    ...(resolveCondition ? [resolveCondition] : []),
  ]);
}
