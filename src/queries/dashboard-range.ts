import { DAY_S, HOUR_S, MINUTE_S } from '../store/summary-schema.js';

/** A stretch of time, cut into intervals that are counted from 1970 (UTC); the first and the last may be shorter. */
export interface DashboardRange {
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
  readonly intervalSeconds: number;
}

export interface RangeParameters {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly interval?: string | undefined;
}

export interface RangeProblem {
  readonly pointer: string;
  readonly detail: string;
}

export type RangeOutcome =
  | { readonly ok: true; readonly value: DashboardRange }
  | { readonly ok: false; readonly problems: readonly RangeProblem[] };

export const MAX_POINTS = 500;
const DEFAULT_FROM = '-24h';
const DEFAULT_TO = 'now';
const DAY_MS = DAY_S * 1000;
/** What is not yet can be asked for up to the end of the day, wherever that is. */
const MAX_AHEAD_MS = DAY_MS;

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: MINUTE_S, h: HOUR_S, d: DAY_S };
const DURATION = /^(\d{1,7})([smhd])$/;
const WHOLE_SECONDS = /^\d{1,8}$/;
const RFC_3339 = /^(\d{4}-\d{2}-\d{2})[Tt ](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/**
 * Interval lengths that are chosen from, in seconds: they divide a day, or are whole days. None between five minutes and an
 * hour: ranges of more than 42 hours are read from the rollups of hours.
 */
const NICE_INTERVALS_S = [60, 120, 300, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800];

/** Relative edges are moved outwards by up to an interval, so it must not be longer than that. */
const MAX_INTERVAL_S = 604_800;

/** One end of the range: an instant that was named, or a distance from now. */
interface Edge {
  readonly absolute: boolean;
  readonly timeMs: number;
}

/**
 * Reads the parameters of the dashboard. `from` and `to` are RFC 3339 or relative (`now`, `-15m`, `-24h`, `-7d`), by
 * default the last 24 hours; `interval` is seconds or `5m`, `1h`, `1d`, by default the shortest one that makes at most
 * 500 points.
 *
 * Instants that are named are kept as they are. Relative ones are moved outwards to whole intervals, so that all who ask
 * within one interval ask the same.
 */
export function parseDashboardRange(parameters: RangeParameters, nowMs: number, retentionDays: number): RangeOutcome {
  const from = parseEdge(parameters.from ?? DEFAULT_FROM, nowMs);
  const to = parseEdge(parameters.to ?? DEFAULT_TO, nowMs);
  const given = parameters.interval === undefined ? undefined : parseInterval(parameters.interval);
  const problems: RangeProblem[] = [];
  if (from === undefined) problems.push({ pointer: 'from', detail: EDGE_DETAIL });
  if (to === undefined) problems.push({ pointer: 'to', detail: EDGE_DETAIL });
  if (parameters.interval !== undefined && given === undefined) {
    problems.push({
      pointer: 'interval',
      detail: 'must be whole seconds, or a duration as 5m, 1h or 1d; at least 1 s',
    });
  }
  if (from === undefined || to === undefined || problems.length > 0) return { ok: false, problems };
  if (from.timeMs >= to.timeMs) problems.push({ pointer: 'from', detail: 'must be before to' });
  if (from.timeMs < nowMs - retentionDays * DAY_MS) {
    problems.push({ pointer: 'from', detail: `must lie within the retention of ${retentionDays} days` });
  }
  if (to.timeMs > nowMs + MAX_AHEAD_MS) problems.push({ pointer: 'to', detail: 'must be at most a day ahead' });
  if (problems.length > 0) return { ok: false, problems };
  const chosen = chooseInterval(from, to);
  const longest = Math.max(chosen, MAX_INTERVAL_S);
  if (given !== undefined && given > longest) {
    return { ok: false, problems: [{ pointer: 'interval', detail: `must be at most ${longest} seconds` }] };
  }
  const range = cut(from, to, given ?? chosen);
  if (pointsOf(range) <= MAX_POINTS) return { ok: true, value: range };
  const detail = `makes more than ${MAX_POINTS} points; ${shortestInterval(from, to)} seconds or more would do`;
  return { ok: false, problems: [{ pointer: 'interval', detail }] };
}

const EDGE_DETAIL =
  'must be an RFC 3339 time with Z or an offset (its + as %2B in an address), or relative as now, -15m, -24h or -7d';

/** How many points a series of the range has. */
export function pointsOf({ fromMs, toMs, intervalSeconds }: DashboardRange): number {
  return Math.ceil(toMs / (intervalSeconds * 1000)) - Math.floor(fromMs / (intervalSeconds * 1000));
}

function parseEdge(text: string, nowMs: number): Edge | undefined {
  if (text === 'now') return { absolute: false, timeMs: nowMs };
  const [, before] = /^(?:now)?-(.*)$/.exec(text) ?? [];
  if (before !== undefined) {
    const seconds = parseDuration(before);
    return seconds === undefined ? undefined : { absolute: false, timeMs: nowMs - seconds * 1000 };
  }
  const day = RFC_3339.exec(text)?.[1];
  if (day === undefined || !existsInCalendar(day)) return undefined;
  const timeMs = Date.parse(text);
  return Number.isNaN(timeMs) ? undefined : { absolute: true, timeMs };
}

/** `Date.parse` moves 2026-02-30 to March. */
function existsInCalendar(day: string): boolean {
  const timeMs = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(timeMs) && new Date(timeMs).toISOString().startsWith(day);
}

function parseDuration(text: string): number | undefined {
  const [, amount, unit] = DURATION.exec(text) ?? [];
  const unitSeconds = UNIT_SECONDS[unit ?? ''];
  return unitSeconds === undefined ? undefined : Number(amount) * unitSeconds;
}

function parseInterval(text: string): number | undefined {
  const seconds = WHOLE_SECONDS.test(text) ? Number(text) : parseDuration(text);
  return seconds === undefined || seconds < 1 ? undefined : seconds;
}

/** The shortest interval that can be asked for; relative edges may be moved outwards by one on either side. */
function shortestInterval(from: Edge, to: Edge): number {
  let seconds = Math.ceil((to.timeMs - from.timeMs) / 1000 / MAX_POINTS);
  while (pointsOf(cut(from, to, seconds)) > MAX_POINTS) seconds += 1;
  return seconds;
}

function chooseInterval(from: Edge, to: Edge): number {
  const nice = NICE_INTERVALS_S.find((seconds) => pointsOf(cut(from, to, seconds)) <= MAX_POINTS);
  return nice ?? Math.ceil((to.timeMs - from.timeMs) / DAY_MS / (MAX_POINTS - 1)) * DAY_S;
}

function cut(from: Edge, to: Edge, intervalSeconds: number): DashboardRange {
  const intervalMs = intervalSeconds * 1000;
  return {
    fromMs: from.absolute ? from.timeMs : Math.floor(from.timeMs / intervalMs) * intervalMs,
    // The running interval belongs to the range, also where it begins right now.
    toMs: to.absolute ? to.timeMs : (Math.floor(to.timeMs / intervalMs) + 1) * intervalMs,
    intervalSeconds,
  };
}
