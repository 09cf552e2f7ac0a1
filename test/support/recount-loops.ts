import type { LogEvent } from '../../src/events/kinds.js';

/** The plain loops of the recount (recount.ts). */

export interface RecountedRequests {
  requests: number;
  errors: number;
  timedRequests: number;
  /** Whole microseconds. */
  responseTimeUs: number;
  requestBytes: number;
  responseBytes: number;
  /** 0 where none is timed. */
  maxResponseTimeUs: number;
  /** Response times in microseconds, sorted. */
  times: number[];
  /** Bytes, sorted. */
  requestSizes: number[];
  responseSizes: number[];
  statusCodes: Record<string, number>;
}

export interface Named<K extends LogEvent['kind']> {
  event: LogEvent & { kind: K };
  timeMs: number;
  /** Its name, or `other` where it came after so many others. */
  label: string;
}

const THIRTY_MINUTES_MS = 1_800_000;

export const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Those in [fromMs, toMs) of a list that is sorted by time. */
export function between<T extends { timeMs: number }>(list: readonly T[], fromMs: number, toMs: number): readonly T[] {
  return list.slice(firstAt(list, fromMs), firstAt(list, toMs));
}

export function firstAt(list: readonly { timeMs: number }[], timeMs: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle]?.timeMs ?? 0) < timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function grouped<T>(list: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of list) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

export type UserEvent = Named<'user'> & { feature: string | null };

export function distinct(users: readonly UserEvent[]): number {
  return new Set(users.flatMap(({ event }) => (event.body.user_id === undefined ? [] : [event.body.user_id]))).size;
}

export function featuresOf(users: readonly UserEvent[]) {
  return [
    ...grouped(
      users.filter(({ feature }) => feature !== null),
      ({ feature }) => feature ?? '',
    ),
  ]
    .map(([feature, used]) => ({ feature, uses: used.length, users: distinct(used) }))
    .sort((a, b) => b.uses - a.uses || byName(a.feature, b.feature))
    .slice(0, 50);
}

/** First and last time of every session. */
export function sessionsOf(users: readonly UserEvent[]): [number, number][] {
  const sessions: [number, number][] = [];
  const named = new Map<string, [number, number]>();
  const byUser = new Map<number, [number, number]>();
  for (const { event, timeMs } of users) {
    const id = event.body.metadata?.session_id;
    const user = event.body.user_id;
    if ((typeof id === 'string' && id !== '') || typeof id === 'number') {
      named.set(String(id), [named.get(String(id))?.[0] ?? timeMs, timeMs]);
    } else if (user !== undefined) {
      const running = byUser.get(user);
      if (running !== undefined && timeMs - running[1] > THIRTY_MINUTES_MS) sessions.push(running);
      const goesOn = running !== undefined && timeMs - running[1] <= THIRTY_MINUTES_MS;
      byUser.set(user, [goesOn ? running[0] : timeMs, timeMs]);
    }
  }
  return [...sessions, ...named.values(), ...byUser.values()];
}

export function byRequests(groups: ReadonlyMap<string, Parameters<typeof sumRequests>[0]>) {
  return [...groups]
    .map(([key, apis]) => ({ key, ...sumRequests(apis) }))
    .sort((a, b) => b.requests - a.requests || byName(a.key, b.key));
}

export function sumRequests(
  apis: readonly { event: LogEvent & { kind: 'api' }; us: number | null }[],
): RecountedRequests {
  const sums: RecountedRequests = {
    requests: apis.length,
    errors: 0,
    timedRequests: 0,
    responseTimeUs: 0,
    requestBytes: 0,
    responseBytes: 0,
    maxResponseTimeUs: 0,
    times: [],
    requestSizes: [],
    responseSizes: [],
    statusCodes: {},
  };
  for (const { event, us } of apis) {
    const status = event.body.status_code;
    sums.statusCodes[status] = (sums.statusCodes[status] ?? 0) + 1;
    if (status >= 500) sums.errors += 1;
    sums.requestBytes += event.body.request_bytes ?? 0;
    sums.responseBytes += event.body.response_bytes ?? 0;
    if (event.body.request_bytes !== undefined) sums.requestSizes.push(event.body.request_bytes);
    if (event.body.response_bytes !== undefined) sums.responseSizes.push(event.body.response_bytes);
    if (us === null) continue;
    sums.timedRequests += 1;
    sums.responseTimeUs += us;
    sums.times.push(us);
  }
  for (const values of [sums.times, sums.requestSizes, sums.responseSizes]) values.sort((a, b) => a - b);
  sums.maxResponseTimeUs = sums.times.at(-1) ?? 0;
  return sums;
}

/** By time, then by place in the log. */
export function inTime<T extends { timeMs: number; event: LogEvent }>(named: readonly T[]): T[] {
  return [...named].sort((a, b) => a.timeMs - b.timeMs || a.event.sequence - b.event.sequence);
}

/** Percentile by nearest rank; null of nothing. */
export function exactPercentile(sorted: readonly number[], percent: number): number | null {
  return sorted[Math.max(1, Math.ceil((percent * sorted.length) / 100)) - 1] ?? null;
}

/** The same of microseconds, in milliseconds. */
export function exactPercentileMs(sortedUs: readonly number[], percent: number): number | null {
  const value = exactPercentile(sortedUs, percent);
  return value === null ? null : value / 1000;
}
