import type { AlertMessage } from '../alert.js';
import { goesOn, type Notice, type ToldAlert, type ToldAs } from './notice.js';

/** Alerts that a text for people names one by one; the rest is counted. */
export const MAX_WORDED_ALERTS = 40;
const MAX_TITLE_CHARACTERS = 140;

const WORDS: Readonly<Record<ToldAs, string>> = {
  firing: 'FIRING',
  still_firing: 'STILL FIRING',
  resolved: 'RESOLVED',
  fired_and_resolved: 'FIRED AND RESOLVED',
};

/** `[FIRING:2 RESOLVED:1] high_error_rate, slow_responses`, on one line. */
export function titleOf({ told }: Notice): string {
  const firing = told.filter(({ as }) => goesOn(as)).length;
  const counts = [`FIRING:${firing}`, `RESOLVED:${told.length - firing}`].filter((count) => !count.endsWith(':0'));
  const names = [...new Set(told.map(({ alert }) => alert.name))].join(', ');
  return shorten(oneLine(`[${counts.join(' ')}] ${names}`), MAX_TITLE_CHARACTERS);
}

/** What an alert has to say, each part on one line. */
export interface AlertWords {
  /** `FIRING`, … */
  readonly state: string;
  readonly name: string;
  readonly severity: string;
  readonly summary: string;
  /** `error_rate > 0.05, value 0.08` */
  readonly condition: string;
  /** `service_name=billing, team=payments`; empty where there are none. */
  readonly labels: string;
  /** `since 2026-11-24T12:00:00.000Z`, or from when to when. */
  readonly time: string;
}

export function wordsOf({ as, alert }: ToldAlert): AlertWords {
  const labels = Object.entries(alert.labels).map(([name, value]) => `${name}=${value}`);
  return {
    state: WORDS[as],
    name: oneLine(alert.name),
    severity: alert.severity,
    summary: oneLine(alert.summary),
    condition: oneLine(`${alert.condition}${alert.value === null ? '' : `, value ${numberText(alert.value)}`}`),
    labels: oneLine(labels.join(', ')),
    time: timeOf(alert),
  };
}

function timeOf({ starts_at: startsAt, ends_at: endsAt }: AlertMessage): string {
  return endsAt === null ? `since ${startsAt}` : `${startsAt} to ${endsAt}`;
}

/** Line breaks and other control characters become spaces: what stands in one line stays in it. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim();
}

/** Whether a text has a control character, which none of ours has. */
export function hasControlCharacters(text: string): boolean {
  return /[\p{Cc}\u2028\u2029]/u.test(text);
}

export function shorten(text: string, maxCharacters: number): string {
  if (text.length <= maxCharacters) return text;
  // Cutting between the two halves of a character would leave half a one.
  return `${text.slice(0, maxCharacters - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

function numberText(value: number): string {
  return String(Number(value.toPrecision(6)));
}
