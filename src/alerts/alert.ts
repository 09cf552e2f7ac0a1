import { createHash } from 'node:crypto';
import Type from 'typebox';
import { Compile } from 'typebox/compile';
import { parseJson } from '../events/json.js';
import { formatTime } from '../events/time.js';
import type { AlertRule, Channel, Severity } from './rule.js';

export type AlertStatus = 'firing' | 'resolved';

export type Labels = Readonly<Record<string, string>>;

/** What stands on `metrics.alert`: a rule began to fire, or ceased to. Times are RFC 3339. */
export interface AlertMessage {
  /** Of this transition; it is the message's id, too. */
  readonly id: string;
  /** The rule. */
  readonly name: string;
  readonly status: AlertStatus;
  readonly severity: Severity;
  /** The rule's condition, in CEL. */
  readonly condition: string;
  /** The number that the condition is about; null where it has none. */
  readonly value: number | null;
  /** The rule's own, and `service_name` where it is by service. */
  readonly labels: Labels;
  /** End of the interval at which it began to fire. */
  readonly starts_at: string;
  /** End of the interval at which it ceased to; null while it fires. */
  readonly ends_at: string | null;
  /** End of the interval that was judged. */
  readonly evaluated_at: string;
  readonly notification: readonly Channel[];
  /** One line for people. */
  readonly summary: string;
}

const Time = Type.String({ format: 'date-time' });

const message = Compile(
  Type.Object({
    id: Type.String(),
    name: Type.String(),
    status: Type.Union([Type.Literal('firing'), Type.Literal('resolved')]),
    severity: Type.Union([Type.Literal('info'), Type.Literal('warning'), Type.Literal('critical')]),
    condition: Type.String(),
    value: Type.Union([Type.Number(), Type.Null()]),
    labels: Type.Record(Type.String(), Type.String()),
    starts_at: Time,
    ends_at: Type.Union([Time, Type.Null()]),
    evaluated_at: Time,
    notification: Type.Array(Type.Union([Type.Literal('email'), Type.Literal('slack'), Type.Literal('webhook')])),
    summary: Type.String(),
  }),
);

/** The label that names the service. */
const SERVICE_LABEL = 'service_name';

/** The labels of a rule's alert for one service; for the platform where none is named. */
export function labelsOf(rule: AlertRule, service: string | undefined): Labels {
  return service === undefined ? rule.labels : { ...rule.labels, [SERVICE_LABEL]: service };
}

/** The service that an alert is about; undefined for the platform. */
export function serviceOf({ labels }: Pick<AlertMessage, 'labels'>): string | undefined {
  return labels[SERVICE_LABEL];
}

/** What makes two alerts the same one at different times: rule and labels. `high_error_rate:3f2a…` */
export function alertKey(name: string, labels: Labels): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${name}:${createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 16)}`;
}

/** `<rule>:<hash of labels>:<starts_at>:<status>`. That of `firing` also names the alert itself, from start to end. */
export function transitionId(name: string, labels: Labels, startsAt: string, status: AlertStatus): string {
  return `${alertKey(name, labels)}:${startsAt}:${status}`;
}

/** The id by which people name an alert, whatever its status: that of the transition with which it began. */
export function alertIdOf({ name, labels, starts_at }: Pick<AlertMessage, 'name' | 'labels' | 'starts_at'>): string {
  return transitionId(name, labels, starts_at, 'firing');
}

/** When a rule's alert began or ceased to fire, and what it saw then. Times in ms since 1970. */
export interface AlertChange {
  readonly rule: AlertRule;
  readonly labels: Labels;
  readonly status: AlertStatus;
  readonly startsAtMs: number;
  readonly atMs: number;
  readonly value: number | null;
}

/** The message that tells of a change. Pure: every process makes the same. */
export function toMessage({ rule, labels, status, startsAtMs, atMs, value }: AlertChange): AlertMessage {
  const startsAt = formatTime(startsAtMs);
  const at = formatTime(atMs);
  return {
    id: transitionId(rule.name, labels, startsAt, status),
    name: rule.name,
    status,
    severity: rule.severity,
    condition: rule.condition.text,
    value,
    labels,
    starts_at: startsAt,
    ends_at: status === 'resolved' ? at : null,
    evaluated_at: at,
    notification: rule.notification,
    summary: summaryOf(rule, labels, value),
  };
}

/** The rule's own text, or its condition with what was seen. */
function summaryOf(rule: AlertRule, labels: Labels, value: number | null): string {
  if (rule.summary !== undefined) return rule.summary;
  const subject = labels[SERVICE_LABEL] ?? 'platform';
  return `${subject}: ${rule.condition.text}${value === null ? '' : ` (it is ${Number(value.toPrecision(6))})`}`;
}

export function encodeAlert(message: AlertMessage): Uint8Array {
  return Buffer.from(JSON.stringify(message));
}

/** Reads a message of METRICS_ALERTS; undefined where it is none of the service's own. */
export function decodeAlert(data: Uint8Array): AlertMessage | undefined {
  const parsed = parseJson(data);
  return parsed.ok && message.Check(parsed.value) ? parsed.value : undefined;
}

/** Milliseconds since 1970 of a time that `decodeAlert` has let through. */
export function msOf(time: string): number {
  return Date.parse(time);
}
