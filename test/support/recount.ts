import type { LogEvent } from '../../src/events/kinds.js';

/**
 * The numbers of the service counted again from the raw events, by plain loops and in memory. Written apart from the
 * product's code, which it is held against: nothing but the type of an event is imported.
 */

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
}

interface Named<K extends LogEvent['kind']> {
  event: LogEvent & { kind: K };
  timeMs: number;
  /** Its name, or `other` where it came after so many others. */
  label: string;
}

const LIMITS = {
  service: 500,
  eventType: 500,
  feature: 200,
  gauge: 5000,
  route: 700,
  method: 200,
  rest: 90,
  status: 5000,
};
const BOUNDS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const METHODS = 'GET HEAD POST PUT PATCH DELETE OPTIONS CONNECT TRACE'.split(' ');
const WELL_KNOWN =
  'user_registered user_login user_logout feature_used appointment_created notification_sent device_registered'.split(
    ' ',
  );
const THIRTY_MINUTES_MS = 1_800_000;
const DAY_MS = 86_400_000;

/** First come, first served. */
class Admission {
  private readonly names: Set<string>;
  constructor(
    private readonly limit: number,
    always: string[] = [],
  ) {
    this.names = new Set(always);
  }
  has(name: string): boolean {
    if (this.names.size < this.limit) this.names.add(name);
    return this.names.has(name);
  }
}

const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export class Recount {
  private readonly users: (Named<'user'> & { feature: string | null })[] = [];
  private readonly apis: (Named<'api'> & {
    us: number | null;
    series: [string, string, string];
    status: string;
    route: string;
  })[] = [];
  private readonly systems: (Named<'system'> & { admitted: boolean })[] = [];

  /** @param events in the order of the log */
  constructor(
    readonly events: readonly LogEvent[],
    routeOf: (endpoint: string) => string,
  ) {
    const service = new Admission(LIMITS.service);
    const eventType = new Admission(LIMITS.eventType, WELL_KNOWN);
    const featureNames = new Admission(LIMITS.feature);
    const routes = new Admission(LIMITS.route);
    const methods = new Admission(LIMITS.method);
    const ownEndpoints = new Map<string, string>();
    const rests = new Admission(LIMITS.rest);
    const statuses = new Admission(LIMITS.status);
    const gauge = new Admission(LIMITS.gauge);
    for (const event of events) {
      const timeMs = event.occurredAtMs;
      if (event.kind === 'user') {
        const type = event.body.event_type;
        const named = event.body.metadata?.feature;
        let feature: string | null = null;
        if (type === 'feature_used' && typeof named === 'string' && named !== '' && Array.from(named).length <= 100) {
          feature = featureNames.has(named) ? named : 'other';
        }
        this.users.push({ event, timeMs, label: eventType.has(type) ? type : 'other', feature });
      } else if (event.kind === 'system') {
        const name = event.body.service_name;
        const label = service.has(name) ? name : 'other';
        this.systems.push({ event, timeMs, label, admitted: gauge.has(`${name} ${event.body.metric_name}`) });
      } else {
        const name = event.body.service_name;
        const label = service.has(name) ? name : 'other';
        const upper = event.body.method.toUpperCase();
        const method = METHODS.includes(upper) ? upper : 'OTHER';
        const route = routeOf(event.body.endpoint);
        let series: [string, string, string] = [label, method, route];
        const first = ownEndpoints.get(JSON.stringify([label, route]));
        const isOwn =
          first === undefined ? routes.has(`${label} ${route}`) : first === method || methods.has(series.join());
        if (isOwn && first === undefined) ownEndpoints.set(JSON.stringify([label, route]), method);
        if (!isOwn) {
          series = [rests.has(JSON.stringify([label, method])) ? label : 'other', method, 'other'];
        }
        const code = event.body.status_code;
        const status = statuses.has(JSON.stringify([series, code])) ? String(code) : `${String(code)[0]}xx`;
        const took = event.body.response_time_ms;
        const us = took === undefined ? null : Math.round(took * 1000);
        this.apis.push({ event, timeMs, label, us, series, status, route });
      }
    }
  }

  window(fromMs: number, toMs = Number.POSITIVE_INFINITY) {
    const within = ({ timeMs }: { timeMs: number }): boolean => timeMs >= fromMs && timeMs < toMs;
    const users = this.users.filter(within);
    const count = (type: string): number => users.filter(({ event }) => event.body.event_type === type).length;
    const distinct = (chosen: typeof users): number =>
      new Set(chosen.flatMap(({ event }) => (event.body.user_id === undefined ? [] : [event.body.user_id]))).size;
    const patients = users.filter(({ event }) => event.body.event_type.startsWith('patient_'));
    const apis = this.apis.filter(within);
    const statusCodes: Record<string, number> = {};
    for (const { event } of apis) {
      statusCodes[event.body.status_code] = (statusCodes[event.body.status_code] ?? 0) + 1;
    }
    const features = [...new Set(users.flatMap(({ feature }) => feature ?? []))].map((feature) => {
      const used = users.filter((user) => user.feature === feature);
      return { feature, uses: used.length, users: distinct(used) };
    });
    return {
      ...sumRequests(apis),
      statusCodes,
      registrations: count('user_registered'),
      logins: count('user_login'),
      appointmentsCreated: count('appointment_created'),
      notificationsSent: count('notification_sent'),
      deviceRegistrations: count('device_registered'),
      patientEvents: patients.length,
      loginUsers: distinct(users.filter(({ event }) => event.body.event_type === 'user_login')),
      patientUsers: distinct(patients),
      features: features.sort((a, b) => b.uses - a.uses || byName(a.feature, b.feature)).slice(0, 50),
    };
  }

  /** Distinct users with a login today, in 7 and in 30 calendar days of UTC. */
  activeUsers(nowMs: number, toMs = Number.POSITIVE_INFINITY) {
    const today = Date.parse(`${new Date(nowMs).toISOString().slice(0, 10)}T00:00:00Z`);
    const [daily, weekly, monthly] = [1, 7, 30].map(
      (days) => this.window(today - (days - 1) * DAY_MS, toMs).loginUsers,
    );
    return { daily, weekly, monthly };
  }

  services(fromMs: number, gaugesFromMs: number) {
    const all = [...this.apis, ...this.systems];
    return [...new Set(all.map(({ label }) => label))].sort(byName).map((serviceName) => {
      const gauges: Record<string, number> = Object.create(null);
      const own = this.systems.filter(
        ({ event, admitted, timeMs }) => admitted && event.body.service_name === serviceName && timeMs >= gaugesFromMs,
      );
      for (const { event } of inTime(own)) gauges[event.body.metric_name] = event.body.value;
      return {
        serviceName,
        lastSeenMs: Math.max(...all.filter(({ label }) => label === serviceName).map(({ timeMs }) => timeMs)),
        gauges: { ...gauges },
        ...sumRequests(this.apis.filter(({ label, timeMs }) => label === serviceName && timeMs >= fromMs)),
      };
    });
  }

  counters() {
    const requests = new Map<string, number>();
    const durations = new Map<string, { buckets: number[]; sumUs: number }>();
    for (const { series, status, us } of this.apis) {
      const key = JSON.stringify([...series, status]);
      requests.set(key, (requests.get(key) ?? 0) + 1);
      if (us === null) continue;
      const found = durations.get(JSON.stringify(series)) ?? { buckets: BOUNDS_S.map(() => 0).concat(0), sumUs: 0 };
      const at = BOUNDS_S.filter((bound) => us / 1e6 > bound).length;
      found.buckets[at] = (found.buckets[at] ?? 0) + 1;
      found.sumUs += us;
      durations.set(JSON.stringify(series), found);
    }
    const events = new Map<string, number>();
    for (const { label } of this.users) events.set(label, (events.get(label) ?? 0) + 1);
    const gauges = new Map<string, number>();
    for (const { event } of inTime(this.systems.filter(({ admitted }) => admitted))) {
      gauges.set(JSON.stringify([event.body.service_name, event.body.metric_name]), event.body.value);
    }
    return { requests, durations, events, gauges };
  }

  /** Lengths, in milliseconds, of the sessions that began in a stretch of time. */
  sessionsMs(fromMs: number, toMs = Number.POSITIVE_INFINITY): number[] {
    const named = new Map<string, number[]>();
    const byUser = new Map<number, number[]>();
    for (const { event, timeMs } of this.users) {
      const session = event.body.metadata?.session_id;
      const user = event.body.user_id;
      if ((typeof session === 'string' && session !== '') || typeof session === 'number') {
        named.set(String(session), [...(named.get(String(session)) ?? []), timeMs]);
      } else if (user !== undefined) {
        byUser.set(user, [...(byUser.get(user) ?? []), timeMs]);
      }
    }
    const sessions = [...named.values()].map((times) => [Math.min(...times), Math.max(...times)] as const);
    for (const times of byUser.values()) {
      times.sort((a, b) => a - b);
      let [began = 0] = times;
      let last = began;
      for (const timeMs of times) {
        if (timeMs - last > THIRTY_MINUTES_MS) {
          sessions.push([began, last]);
          began = timeMs;
        }
        last = timeMs;
      }
      sessions.push([began, last]);
    }
    return sessions.filter(([first]) => first >= fromMs && first < toMs).map(([first, end]) => end - first);
  }

  /** Endpoints by requests, with their exact response times. */
  endpoints(fromMs: number, toMs: number) {
    const groups = new Map<string, typeof this.apis>();
    for (const api of this.apis) {
      if (api.timeMs < fromMs || api.timeMs >= toMs) continue;
      const key = `${api.event.body.service_name}\t${api.event.body.method.toUpperCase()}\t${api.route}`;
      groups.set(key, [...(groups.get(key) ?? []), api]);
    }
    return [...groups]
      .map(([key, apis]) => ({ key, ...sumRequests(apis) }))
      .sort((a, b) => b.requests - a.requests || byName(a.key, b.key));
  }

  /** Event types by events. */
  eventTypes(fromMs: number, toMs: number): [string, number][] {
    const counts = new Map<string, number>();
    for (const { event, timeMs } of this.users) {
      if (timeMs < fromMs || timeMs >= toMs) continue;
      counts.set(event.body.event_type, (counts.get(event.body.event_type) ?? 0) + 1);
    }
    return [...counts].sort(([a, countA], [b, countB]) => countB - countA || byName(a, b));
  }

  /** Mean of a service's measurements, null without one. */
  mean(service: string, metric: string, fromMs: number, toMs: number): number | null {
    const values = this.systems
      .filter(({ timeMs }) => timeMs >= fromMs && timeMs < toMs)
      .filter(({ event }) => event.body.service_name === service && event.body.metric_name === metric)
      .map(({ event }) => event.body.value);
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  }
}

function sumRequests(apis: readonly { event: LogEvent & { kind: 'api' }; us: number | null }[]): RecountedRequests {
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
  };
  for (const { event, us } of apis) {
    if (event.body.status_code >= 500) sums.errors += 1;
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
function inTime<T extends { timeMs: number; event: LogEvent }>(named: readonly T[]): T[] {
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
