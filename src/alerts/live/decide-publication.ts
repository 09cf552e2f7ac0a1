import {
  type AlertMessage,
  alertKey,
  type Labels,
  labelsOf,
  msOf,
  serviceOf,
  toMessage,
  transitionId,
} from '../alert.js';
import type { BookedAlert, LatestTransition } from '../alert-book.js';
import type { Transition } from '../evaluate.js';
import type { AlertRule } from '../rule.js';

/** Why a transition is not published. */
export type SkipReason =
  /** METRICS_ALERTS has one of that time, or a later one. */
  | 'known'
  /** Another process, whose rules were others, began it before. */
  | 'fires_already'
  | 'not_firing';

export type Publication =
  | { readonly kind: 'publish'; readonly message: AlertMessage }
  | { readonly kind: 'skip'; readonly reason: SkipReason };

/** What was published last about a key: a rule and its labels. */
export type LatestReader = (key: string) => LatestTransition | undefined;

/**
 * Decides whether a transition is to be published, by what METRICS_ALERTS has. So firing and resolved take turns there, with
 * times that only grow, whoever publishes. Pure.
 */
export function decidePublication({ rule, service, to, atMs, value }: Transition, latestOf: LatestReader): Publication {
  const labels = labelsOf(rule, service);
  const latest = latestOf(alertKey(rule.name, labels));
  if (latest !== undefined && latest.evaluatedAtMs >= atMs) return { kind: 'skip', reason: 'known' };
  if (to === 'firing') {
    if (latest?.status === 'firing') return { kind: 'skip', reason: 'fires_already' };
    return { kind: 'publish', message: toMessage({ rule, labels, status: 'firing', startsAtMs: atMs, atMs, value }) };
  }
  if (latest?.status !== 'firing') return { kind: 'skip', reason: 'not_firing' };
  const { startsAtMs } = latest;
  return { kind: 'publish', message: toMessage({ rule, labels, status: 'resolved', startsAtMs, atMs, value }) };
}

/** Alerts that fire and that no rule can resolve any more: it is gone, or speaks of others by now. */
export function orphansOf(firing: readonly BookedAlert[], rules: readonly AlertRule[]): BookedAlert[] {
  const byName = new Map(rules.map((rule) => [rule.name, rule]));
  return firing.filter(({ latest }) => !isOf(byName.get(latest.name), latest.labels));
}

/** Whether a rule, as it is now, has alerts with these labels. */
export function isOf(rule: AlertRule | undefined, labels: Labels): boolean {
  const service = serviceOf({ labels });
  if (rule === undefined || (rule.by === 'service_name') !== (service !== undefined)) return false;
  return alertKey(rule.name, labelsOf(rule, service)) === alertKey(rule.name, labels);
}

/** Resolves an orphan. Its message is made of the one with which it began. */
export function decideOrphan(
  { latest: began }: BookedAlert,
  closedUntilMs: number,
  latestOf: LatestReader,
): Publication {
  const latest = latestOf(alertKey(began.name, began.labels));
  if (latest?.status !== 'firing' || latest.startsAtMs !== msOf(began.starts_at)) {
    return { kind: 'skip', reason: 'not_firing' };
  }
  // After the bucket with which it began: METRICS_ALERTS may be ahead of the state that this start goes on from.
  const at = closedUntilMs > latest.evaluatedAtMs ? closedUntilMs : latest.evaluatedAtMs + 1;
  const time = new Date(at).toISOString();
  const id = transitionId(began.name, began.labels, began.starts_at, 'resolved');
  return { kind: 'publish', message: { ...began, id, status: 'resolved', ends_at: time, evaluated_at: time } };
}
