import { createHash } from 'node:crypto';
import Type from 'typebox';
import { Compile } from 'typebox/compile';
import { formatTime } from '../../events/time.js';
import { lookbackMs } from '../lookback.js';
import type { AlertRule } from '../rule.js';

/** Service → time of its last event, ms since 1970. */
export type Seen = ReadonlyMap<string, number>;

/** How far the log has been evaluated, and what is needed to go on there. Times are ms since 1970. */
export interface EvaluationState {
  /** Buckets that end up to here are judged, and every transition of theirs is published. */
  readonly closedUntilMs: number;
  /** An engine that reads the log from here on knows at `closedUntilMs` what the one knew that wrote this. */
  readonly beginMs: number;
  /** What was seen before `beginMs`. */
  readonly seen: Seen;
  readonly rulesHash: string;
}

/** One message must hold them all; those that were silent for longest are left out. */
const MAX_SEEN = 5_000;
const Time = Type.String({ format: 'date-time' });
const state = Compile(
  Type.Object({
    closed_until: Time,
    begin_at: Time,
    seen: Type.Record(Type.String(), Time),
    rules_hash: Type.String(),
  }),
);

export function encodeState({ closedUntilMs, beginMs, seen, rulesHash }: EvaluationState): Uint8Array {
  const latest = [...seen].sort(([, a], [, b]) => b - a).slice(0, MAX_SEEN);
  const body = {
    closed_until: formatTime(closedUntilMs),
    begin_at: formatTime(beginMs),
    seen: Object.fromEntries(latest.map(([service, seenMs]) => [service, formatTime(seenMs)])),
    rules_hash: rulesHash,
  };
  return Buffer.from(JSON.stringify(body));
}

/** Reads what `encodeState` has written; undefined where it is something else. */
export function decodeState(data: Uint8Array): EvaluationState | undefined {
  const parsed = parse(data);
  if (!state.Check(parsed)) return undefined;
  const { closed_until, begin_at, seen, rules_hash } = parsed;
  return {
    closedUntilMs: Date.parse(closed_until),
    beginMs: Date.parse(begin_at),
    seen: new Map(Object.entries(seen).map(([service, time]) => [service, Date.parse(time)])),
    rulesHash: rules_hash,
  };
}

/** Plain JSON: a service may be called `__proto__`, and what parses bodies from outside refuses such a key. */
function parse(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Differs where a rule differs in anything. */
export function hashOf(rules: readonly AlertRule[]): string {
  const described = rules.map((rule) => ({
    ...rule,
    condition: rule.condition.text,
    resolveCondition: rule.resolveCondition?.text,
  }));
  return createHash('sha256').update(JSON.stringify(described)).digest('hex').slice(0, 16);
}

/** Where evaluation begins: the log is read from `beginMs`, and what changes after `closedUntilMs` is published. */
export type StartPlan = Omit<EvaluationState, 'rulesHash'>;

/**
 * Plans a start. Without a state it begins now, so that a past that was imported pages nobody; with one, it begins where
 * that ended, so that the time spent down is judged as it would have been.
 *
 * @param intervalMs the present one; the state may be of another
 */
export function planStart(
  found: EvaluationState | undefined,
  rules: readonly AlertRule[],
  intervalMs: number,
  nowMs: number,
): StartPlan {
  const floor = (timeMs: number): number => Math.floor(timeMs / intervalMs) * intervalMs;
  const closedUntilMs = floor(found?.closedUntilMs ?? nowMs);
  const wantedMs = floor(closedUntilMs - lookbackMs(rules, intervalMs));
  // Rules that look back further than those that the state was written for need more of the log.
  const beginMs = Math.min(found === undefined ? wantedMs : floor(found.beginMs), wantedMs);
  const seen = new Map([...(found?.seen ?? [])].filter(([, seenMs]) => seenMs < beginMs));
  return { closedUntilMs, beginMs, seen };
}
