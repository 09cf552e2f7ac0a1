import { GRACE_MS } from '../../src/alerts/alert-engine.js';
import type { ConditionContext, Measure, Thresholds } from '../../src/alerts/condition.js';
import type { AlertRule } from '../../src/alerts/rule.js';
import type { LogEvent } from '../../src/events/kinds.js';
import { bucketOf, bucketValue } from '../../src/store/log-buckets.js';

export interface StoredEvent {
  readonly event: LogEvent;
  readonly storedAtMs: number;
}

/** `<time> <rule> <to> <service> <value> <since>` for each transition, as `toldTransition` writes it. */
export type Told = string;

export interface NaiveQuestion {
  readonly rules: readonly AlertRule[];
  readonly log: readonly StoredEvent[];
  readonly intervalMs: number;
  readonly thresholds: Thresholds;
  readonly startMs: number;
  /** The log's time at the end. */
  readonly endMs: number;
}

/**
 * What the engine should tell, by another way: no sums that slide and no states that are stepped. Each evaluation looks
 * through all events again, and whether an alert fires follows from the list of all evaluations so far.
 */
export function naiveTransitions(question: NaiveQuestion): Told[] {
  const { rules, intervalMs, startMs, endMs } = question;
  const counted = question.log.filter(({ event, storedAtMs }, index) => isInTime(question, event, storedAtMs, index));
  const told: Told[] = [];
  const verdicts = new Map<string, Verdict[]>();
  for (let atMs = startMs + intervalMs; atMs + GRACE_MS <= endMs; atMs += intervalMs) {
    const known = counted.map(({ event }) => event).filter((event) => bucketEnd(event, intervalMs) <= atMs);
    const services = [...new Set(known.flatMap((event) => serviceOf(event) ?? []))].sort();
    for (const rule of rules) {
      for (const service of rule.by === 'none' ? [undefined] : services) {
        const context = contextOf(question, rule, known, service, atMs);
        const key = `${rule.name} ${service ?? ''}`;
        const history = verdicts.get(key) ?? [];
        verdicts.set(key, history);
        history.push({
          atMs,
          holds: rule.condition.holds(context) === true,
          resolves: rule.resolveCondition === undefined || rule.resolveCondition.holds(context) !== false,
          value: rule.condition.value(context),
        });
        told.push(...toldAtLast(rule, service, history));
      }
    }
  }
  return told;
}

export function toldTransition(
  atMs: number,
  rule: string,
  to: string,
  service: string | undefined,
  value: number | null,
  sinceMs: number,
): Told {
  return [new Date(atMs).toISOString(), rule, to, service ?? '-', value, new Date(sinceMs).toISOString()].join(' ');
}

interface Verdict {
  readonly atMs: number;
  readonly holds: boolean;
  /** What has begun to fire may end: the condition that resolves it is not false. */
  readonly resolves: boolean;
  readonly value: number | null;
}

type Phase = { readonly kind: 'inactive' } | { readonly kind: 'pending' | 'firing'; readonly since: number };

/** What the last evaluation changed. */
function toldAtLast(rule: AlertRule, service: string | undefined, history: readonly Verdict[]): Told[] {
  const last = history.at(-1);
  if (last === undefined) return [];
  const before = phaseAfter(rule, history.slice(0, -1));
  const after = phaseAfter(rule, history);
  if (before.kind === after.kind) return [];
  const to = after.kind !== 'inactive' ? after.kind : before.kind === 'firing' ? 'resolved' : 'inactive';
  const since = after.kind !== 'inactive' ? after.since : before.kind === 'inactive' ? last.atMs : before.since;
  // What begins without a number of its own shows the one before it.
  const value =
    after.kind === 'firing' && before.kind === 'pending' ? (last.value ?? latestValue(history)) : last.value;
  return [toldTransition(last.atMs, rule.name, to, service, value, since)];
}

function latestValue(history: readonly Verdict[]): number | null {
  return history.findLast(({ value }) => value !== null)?.value ?? null;
}

/** Reads the whole history from its beginning, stretch by stretch. */
function phaseAfter(rule: AlertRule, history: readonly Verdict[]): Phase {
  let index = 0;
  while (index < history.length) {
    const begin = history.findIndex(({ holds }, at) => at >= index && holds);
    if (begin < 0) return { kind: 'inactive' };
    const sinceMs = history[begin]?.atMs ?? 0;
    const broken = history.findIndex(({ holds }, at) => at > begin && !holds);
    const fires = history.findIndex(({ atMs }, at) => at >= begin && atMs - sinceMs >= rule.forMs);
    if (fires < 0 || (broken >= 0 && broken <= fires)) {
      if (broken < 0) return { kind: 'pending', since: sinceMs };
      index = broken;
      continue;
    }
    const end = endOfFiring(rule, history, fires);
    if (end < 0) return { kind: 'firing', since: history[fires]?.atMs ?? 0 };
    // What holds at the end of one cannot be: then it would not have ended.
    index = end + 1;
  }
  return { kind: 'inactive' };
}

/** Index of the first evaluation that had no reason to fire, and nor had any within `keep_firing_for` before; or -1. */
function endOfFiring(rule: AlertRule, history: readonly Verdict[], fires: number): number {
  const hasReason = ({ holds, resolves }: Verdict): boolean => holds || !resolves;
  return history.findIndex((verdict, at) => {
    if (at <= fires || hasReason(verdict)) return false;
    const lastReason = history.slice(fires, at).findLast((each, offset) => offset === 0 || hasReason(each));
    return verdict.atMs - (lastReason?.atMs ?? 0) >= rule.keepFiringForMs;
  });
}

/** The bucket of an event is open until the log's time passes its end by the grace; the log's time never goes back. */
function isInTime(
  { log, intervalMs, startMs }: NaiveQuestion,
  event: LogEvent,
  storedAtMs: number,
  index: number,
): boolean {
  const logTimeMs = log.slice(0, index).reduce((latest, each) => Math.max(latest, each.storedAtMs), storedAtMs);
  return event.occurredAtMs >= startMs && logTimeMs < bucketEnd(event, intervalMs) + GRACE_MS;
}

function bucketEnd({ occurredAtMs }: LogEvent, intervalMs: number): number {
  return (Math.floor(occurredAtMs / intervalMs) + 1) * intervalMs;
}

function serviceOf(event: LogEvent): string | undefined {
  return event.kind === 'user' ? undefined : event.body.service_name;
}

function contextOf(
  { intervalMs, thresholds }: NaiveQuestion,
  rule: AlertRule,
  known: readonly LogEvent[],
  service: string | undefined,
  atMs: number,
): ConditionContext {
  const windowMs = Math.ceil(rule.windowMs / intervalMs) * intervalMs;
  const inWindow = known.filter(({ occurredAtMs }) => occurredAtMs >= atMs - windowMs);
  const own = inWindow.filter((event) => service === undefined || serviceOf(event) === service);
  const values = { ...requestValues(own, windowMs), ...gaugeValues(own, service) };
  const seen = known.filter((event) => serviceOf(event) === service).map(({ occurredAtMs }) => occurredAtMs);
  const since = service === undefined ? {} : { seconds_since_seen: Math.max(0, atMs - Math.max(...seen)) / 1000 };
  const named = [...rule.condition.eventTypes, ...(rule.resolveCondition?.eventTypes ?? [])];
  const events = new Map(
    named.map((type) => [
      type,
      inWindow.filter((event) => event.kind === 'user' && event.body.event_type === type).length,
    ]),
  );
  return { ...defined({ ...values, ...since }), events, threshold: thresholds };
}

function defined(values: Partial<Record<Measure, number | undefined>>): Partial<Record<Measure, number>> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function requestValues(events: readonly LogEvent[], windowMs: number): Partial<Record<Measure, number | undefined>> {
  const requests = events.flatMap((event) => (event.kind === 'api' ? [event.body] : []));
  if (requests.length === 0) return {};
  const errors = requests.filter(({ status_code }) => status_code >= 500).length;
  const times = requests
    .flatMap(({ response_time_ms }) => (response_time_ms === undefined ? [] : [Math.round(response_time_ms * 1000)]))
    .sort((a, b) => a - b);
  const nearestRank = (share: number): number | undefined => {
    const us = times[Math.max(1, Math.ceil(share * times.length)) - 1];
    // Percentiles come from buckets, and so does this one: the bucket of the value at the rank.
    return us === undefined ? undefined : Math.round(bucketValue(bucketOf(us))) / 1000;
  };
  return {
    requests: requests.length,
    errors,
    error_rate: errors / requests.length,
    request_rate: requests.length / (windowMs / 1000),
    avg_response_time: times.length === 0 ? undefined : times.reduce((sum, us) => sum + us, 0) / times.length / 1000,
    p50_response_time: nearestRank(0.5),
    p95_response_time: nearestRank(0.95),
    p99_response_time: nearestRank(0.99),
  };
}

function gaugeValues(events: readonly LogEvent[], service: string | undefined) {
  const latest = (metric: string, of: string): number | undefined => {
    const measured = events.flatMap((event) =>
      event.kind === 'system' && event.body.service_name === of && event.body.metric_name === metric ? [event] : [],
    );
    const ordered = measured.sort((a, b) => a.occurredAtMs - b.occurredAtMs || a.sequence - b.sequence);
    return ordered.at(-1)?.body.value;
  };
  const pool = (of: string): number | undefined => {
    const [active, max] = [latest('db_pool_active', of), latest('db_pool_max', of)];
    return active === undefined || max === undefined || max === 0 ? undefined : active / max;
  };
  const services = service === undefined ? [...new Set(events.flatMap((event) => serviceOf(event) ?? []))] : [service];
  const largest = (of: (service: string) => number | undefined): number | undefined => {
    const found = services.flatMap((each) => of(each) ?? []);
    return found.length === 0 ? undefined : Math.max(...found);
  };
  return {
    cpu_usage: largest((of) => latest('cpu_usage', of)),
    memory_usage: largest((of) => latest('memory_usage', of)),
    db_pool_usage: largest(pool),
  };
}
