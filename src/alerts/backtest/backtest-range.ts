import { parseRfc3339 } from '../../events/time.js';
import { parseDuration } from '../parse-rules.js';

/** A stretch of the past, in whole evaluation intervals; ms since 1970. */
export interface BacktestRange {
  readonly fromMs: number;
  readonly toMs: number;
}

export type BacktestRangeOutcome =
  | { readonly ok: true; readonly range: BacktestRange }
  | { readonly ok: false; readonly problems: readonly { readonly name: string; readonly detail: string }[] };

export const INSTANT_DETAIL = 'must be an RFC 3339 time with offset, or relative as now, -15m, -24h or -7d';

/**
 * Reads `--from` and `--to`. Both are moved back to the end of an evaluation interval, since only there something can
 * change.
 */
export function parseBacktestRange(
  { from, to }: { readonly from: string; readonly to: string },
  nowMs: number,
  intervalMs: number,
): BacktestRangeOutcome {
  const [fromMs, toMs] = [from, to].map((text) => {
    const timeMs = parseInstant(text, nowMs);
    return timeMs === undefined ? undefined : Math.floor(timeMs / intervalMs) * intervalMs;
  });
  const problems: { name: string; detail: string }[] = [];
  if (fromMs === undefined) problems.push({ name: '--from', detail: INSTANT_DETAIL });
  if (toMs === undefined) problems.push({ name: '--to', detail: INSTANT_DETAIL });
  if (fromMs === undefined || toMs === undefined) return { ok: false, problems };
  if (fromMs < toMs) return { ok: true, range: { fromMs, toMs } };
  return { ok: false, problems: [{ name: '--from', detail: 'must be an evaluation interval before --to, or more' }] };
}

/** Reads an RFC 3339 time, or one relative to now, in ms since 1970; undefined where the text is neither. */
export function parseInstant(text: string, nowMs: number): number | undefined {
  if (text === 'now') return nowMs;
  if (!text.startsWith('-')) return parseRfc3339(text);
  const agoMs = parseDuration(text.slice(1));
  return agoMs === undefined ? undefined : nowMs - agoMs;
}
