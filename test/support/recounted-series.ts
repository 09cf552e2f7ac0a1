import type { Recount, RecountFilters } from './recount.js';
import { exactPercentile, type RecountedRequests } from './recount-loops.js';

/** The series of a dashboard made of a recount; see recounted-answers.ts. */

const MEASURED = ['cpu_usage', 'memory_usage', 'db_pool_active', 'db_pool_max'];

export const divide = (a: number, b: number): number | null => (b === 0 ? null : a / b);
export const iso = (timeMs: number): string => new Date(timeMs).toISOString();
export const thousandth = (value: number | null): number | null => (value === null ? null : value / 1000);
export const mean = (values: readonly number[]): number | null =>
  divide(
    values.reduce((sum, value) => sum + value, 0),
    values.length,
  );

export function apiOf(counted: RecountedRequests) {
  const { times, requestSizes, responseSizes } = counted;
  return {
    requests: counted.requests,
    errors: counted.errors,
    error_rate: divide(counted.errors, counted.requests),
    avg_response_time_ms: thousandth(mean(times)),
    p50_response_time_ms: thousandth(exactPercentile(times, 50)),
    p95_response_time_ms: thousandth(exactPercentile(times, 95)),
    p99_response_time_ms: thousandth(exactPercentile(times, 99)),
    max_response_time_ms: thousandth(times.at(-1) ?? null),
    request_bytes: counted.requestBytes,
    avg_request_bytes: mean(requestSizes),
    p95_request_bytes: exactPercentile(requestSizes, 95),
    response_bytes: counted.responseBytes,
    avg_response_bytes: mean(responseSizes),
    p95_response_bytes: exactPercentile(responseSizes, 95),
    status_codes: counted.statusCodes,
  };
}

export function recountedSeries(
  recount: Recount,
  nowMs: number,
  { fromMs, toMs, intervalSeconds }: { fromMs: number; toMs: number; intervalSeconds: number },
  filters: RecountFilters,
) {
  const intervalMs = intervalSeconds * 1000;
  const intervals: { startMs: number; endMs: number }[] = [];
  for (let startMs = fromMs; startMs < toMs; ) {
    const endMs = Math.min((Math.floor(startMs / intervalMs) + 1) * intervalMs, toMs);
    intervals.push({ startMs, endMs });
    startMs = endMs;
  }
  const counted = intervals.map(({ startMs, endMs }) => recount.window(startMs, endMs, filters));
  const apis = counted.map(apiOf);
  const line = (values: (number | null)[]) =>
    values.map((value, index) => ({ t: iso(intervals[index]?.startMs ?? 0), value }));
  const each = (value: (window: (typeof counted)[number], index: number) => number | null) => line(counted.map(value));
  return {
    requests: each(({ requests }) => requests),
    errors: each(({ errors }) => errors),
    request_rate: line(
      intervals.map(({ startMs, endMs }, index) => {
        const passed = Math.max(1, (Math.min(endMs, nowMs) - startMs) / 1000);
        return (counted[index]?.requests ?? 0) / passed;
      }),
    ),
    error_rate: line(apis.map((api) => api.error_rate)),
    avg_response_time: line(apis.map((api) => api.avg_response_time_ms)),
    p50: line(apis.map((api) => api.p50_response_time_ms)),
    p95: line(apis.map((api) => api.p95_response_time_ms)),
    p99: line(apis.map((api) => api.p99_response_time_ms)),
    max: line(apis.map((api) => api.max_response_time_ms)),
    request_bytes: each(({ requestBytes }) => requestBytes),
    response_bytes: each(({ responseBytes }) => responseBytes),
    active_users: each(({ loginUsers }) => loginUsers),
    registrations: each(({ registrations }) => registrations),
    logins: each(({ logins }) => logins),
    events_by_type: eventTypeSeries(recount, fromMs, toMs, intervals, line, filters),
    business: {
      appointments_created: each(({ appointmentsCreated }) => appointmentsCreated),
      notifications_sent: each(({ notificationsSent }) => notificationsSent),
      device_registrations: each(({ deviceRegistrations }) => deviceRegistrations),
      patient_engagement: each(({ patientUsers }) => patientUsers),
    },
    ...measurementSeries(recount, fromMs, toMs, intervals, line, filters),
  };
}

function eventTypeSeries<L>(
  recount: Recount,
  fromMs: number,
  toMs: number,
  intervals: { startMs: number; endMs: number }[],
  line: (values: number[]) => L,
  filters: RecountFilters,
): Record<string, L> {
  const all = recount.eventTypes(fromMs, toMs, filters).map(([type]) => type);
  const listed = new Set(all.slice(0, 20));
  const byInterval = intervals.map(({ startMs, endMs }) => {
    const counts = new Map<string, number>();
    for (const [type, events] of recount.eventTypes(startMs, endMs, filters)) {
      const name = listed.has(type) ? type : 'other';
      counts.set(name, (counts.get(name) ?? 0) + events);
    }
    return counts;
  });
  const names = new Set([...listed, ...(all.length > 20 ? ['other'] : [])]);
  return Object.fromEntries([...names].map((name) => [name, line(byInterval.map((counts) => counts.get(name) ?? 0))]));
}

function measurementSeries<L>(
  recount: Recount,
  fromMs: number,
  toMs: number,
  intervals: { startMs: number; endMs: number }[],
  line: (values: (number | null)[]) => L,
  filters: RecountFilters,
): Record<string, Record<string, L>> {
  const all = recount.measurements(fromMs, toMs, filters);
  const howMany = new Map<string, number>();
  for (const metric of MEASURED) {
    for (const [service, values] of all.get(metric) ?? []) {
      howMany.set(service, (howMany.get(service) ?? 0) + values.length);
    }
  }
  const top = [...howMany].sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1)).slice(0, 20);
  const byInterval = intervals.map(({ startMs, endMs }) => recount.measurements(startMs, endMs, filters));
  const means = (metric: string, service: string): (number | null)[] =>
    byInterval.map((of) => mean(of.get(metric)?.get(service) ?? []));
  const split = (valuesOf: (service: string) => (number | null)[]): Record<string, L> =>
    Object.fromEntries(
      top
        .map(([service]) => [service, valuesOf(service)] as const)
        .filter(([, values]) => values.some((value) => value !== null))
        .map(([service, values]) => [service, line(values)]),
    );
  const usage = (service: string): (number | null)[] => {
    const largest = means('db_pool_max', service);
    return means('db_pool_active', service).map((active, index) => {
      const max = largest[index] ?? null;
      return active === null || max === null ? null : divide(active, max);
    });
  };
  return {
    cpu_usage: split((service) => means('cpu_usage', service)),
    memory_usage: split((service) => means('memory_usage', service)),
    db_pool_usage: split(usage),
  };
}
