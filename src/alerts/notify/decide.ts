import { type AlertMessage, alertIdOf } from '../alert.js';
import type { ToldAlert } from './notice.js';

/** Why an alert is not told now. The same name stands in the record, in the log and in the tests. */
export type NotToldReason =
  /** A silence matches it. */
  | 'silenced'
  /** It resolved, and nobody was told that it fired. */
  | 'firing_was_not_told'
  /** It is over, and its turn came after the time in which a notice is tried. */
  | 'too_old';

export interface NotTold {
  readonly id: string;
  readonly reason: NotToldReason;
}

export interface Decision {
  readonly told: readonly ToldAlert[];
  readonly notTold: readonly NotTold[];
}

/** What people said about alerts. */
export interface Attention {
  /** Whether a silence that holds now matches the alert. */
  isSilenced(alert: AlertMessage, nowMs: number): boolean;
  isAcknowledged(alert: AlertMessage): boolean;
}

/** A transition in the log of alerts, and when it was stored. */
export interface PendingTransition {
  readonly alert: AlertMessage;
  readonly sequence: number;
  readonly storedAtMs: number;
}

export interface GroupContext {
  readonly nowMs: number;
  readonly attention: Attention;
  /** Whether this channel was told that an instance fires. */
  readonly wasTold: (instance: string) => boolean;
  /** Whether an instance fires still, as far as the log has been read. */
  readonly isFiring: (instance: string) => boolean;
  /** How long a notice is tried, counted from its transitions. */
  readonly giveUpAfterMs: number;
}

/**
 * Decides what one group of transitions tells. Each instance is told at most once: what fired and resolved within the
 * group has one line. The order is that in which the instances appear.
 */
export function decideGroup(group: readonly PendingTransition[], context: GroupContext): Decision {
  const byInstance = Map.groupBy(group, ({ alert }) => alertIdOf(alert));
  const told: ToldAlert[] = [];
  const notTold: NotTold[] = [];
  for (const [instance, transitions] of byInstance) {
    const outcome = decideInstance(instance, transitions, context);
    if (typeof outcome === 'object') told.push(outcome);
    else notTold.push(...transitions.map(({ alert }) => ({ id: alert.id, reason: outcome })));
  }
  return { told, notTold };
}

function decideInstance(
  instance: string,
  transitions: readonly PendingTransition[],
  context: GroupContext,
): ToldAlert | NotToldReason {
  const fired = transitions.find(({ alert }) => alert.status === 'firing');
  const resolved = transitions.find(({ alert }) => alert.status === 'resolved');
  const newest = resolved ?? fired;
  if (newest === undefined) throw new Error('a group has no instance without a transition');
  if (context.attention.isSilenced(newest.alert, context.nowMs)) return 'silenced';
  const isOld = context.nowMs - newest.storedAtMs > context.giveUpAfterMs;
  if (isOld && !context.isFiring(instance)) return 'too_old';
  if (resolved === undefined) return { as: 'firing', alert: newest.alert };
  if (context.wasTold(instance)) return { as: 'resolved', alert: resolved.alert };
  if (fired === undefined) return 'firing_was_not_told';
  const { status, ends_at } = resolved.alert;
  return { as: 'fired_and_resolved', alert: { ...fired.alert, status, ends_at } };
}

/** An alert that fires, and when this channel was last told of it, ms; undefined: never. */
export interface FiringAlert {
  readonly alert: AlertMessage;
  readonly toldAtMs: number | undefined;
}

/** Why an alert that fires is not told again. */
export type NotRepeatedReason = 'silenced' | 'acknowledged' | 'no_repeat';

/** Told at once: it fires, and nobody knows, as a silence ended or the channel is new. */
const AT_ONCE_MS = 0;

/**
 * When an alert that fires is to be told again, in ms, or why it is not. What was never told is due at once.
 *
 * @param repeatMs of its rule; undefined: it is told once
 */
export function repeatDueMs(
  { alert, toldAtMs }: FiringAlert,
  repeatMs: number | undefined,
  attention: Attention,
  nowMs: number,
): number | NotRepeatedReason {
  if (attention.isSilenced(alert, nowMs)) return 'silenced';
  if (toldAtMs === undefined) return AT_ONCE_MS;
  if (attention.isAcknowledged(alert)) return 'acknowledged';
  return repeatMs === undefined ? 'no_repeat' : toldAtMs + repeatMs;
}

export interface DueRepeat extends FiringAlert {
  readonly dueMs: number;
}

/**
 * Those that are told again now, as one group: what falls due within `groupMs` of the first waits for it, so that the
 * same ones come together however often this is asked.
 */
export function groupRepeats(due: readonly DueRepeat[], groupMs: number, nowMs: number): readonly DueRepeat[] {
  const firstMs = Math.min(...due.map(({ dueMs }) => dueMs));
  if (due.length === 0 || nowMs < firstMs + groupMs) return [];
  return due.filter(({ dueMs }) => dueMs <= firstMs + groupMs);
}
