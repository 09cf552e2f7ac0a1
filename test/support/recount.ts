import type { LogEvent } from '../../src/events/kinds.js';
import {
  between,
  byName,
  byRequests,
  distinct,
  featuresOf,
  grouped,
  inTime,
  type Named,
  sessionsOf,
  sumRequests,
  type UserEvent,
} from './recount-loops.js';

/**
 * The numbers of the service counted again from the raw events, by plain loops and in memory. Written apart from the
 * product's code, which it is held against: nothing but the type of an event is imported.
 */

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

/** What a dashboard may leave out. */
export interface RecountFilters {
  readonly service?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly eventType?: string | undefined;
}

export class Recount {
  private readonly users: UserEvent[] = [];
  private readonly apis: (Named<'api'> & {
    us: number | null;
    series: [string, string, string];
    status: string;
    route: string;
  })[] = [];
  private readonly systems: (Named<'system'> & { admitted: boolean })[] = [];

  private sessions: [number, number][] | undefined;

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
    // By time, and by place in the log where times are equal, so that a stretch of time is a slice.
    for (const list of [this.users, this.systems, this.apis]) list.sort((a, b) => a.timeMs - b.timeMs);
  }

  window(fromMs: number, toMs = Number.POSITIVE_INFINITY, filters: RecountFilters = {}) {
    const users = this.userEvents(fromMs, toMs, filters);
    const count = (type: string): number => users.filter(({ event }) => event.body.event_type === type).length;
    const patients = users.filter(({ event }) => event.body.event_type.startsWith('patient_'));
    const apis = this.requests(fromMs, toMs, filters);
    return {
      ...sumRequests(apis),
      registrations: count('user_registered'),
      logins: count('user_login'),
      appointmentsCreated: count('appointment_created'),
      notificationsSent: count('notification_sent'),
      deviceRegistrations: count('device_registered'),
      patientEvents: patients.length,
      loginUsers: distinct(users.filter(({ event }) => event.body.event_type === 'user_login')),
      patientUsers: distinct(patients),
      features: featuresOf(users),
    };
  }

  private userEvents(fromMs: number, toMs: number, { eventType }: RecountFilters = {}) {
    const users = between(this.users, fromMs, toMs);
    return eventType === undefined ? users : users.filter(({ event }) => event.body.event_type === eventType);
  }

  private requests(fromMs: number, toMs: number, { service, endpoint }: RecountFilters = {}) {
    const apis = between(this.apis, fromMs, toMs);
    if (service === undefined && endpoint === undefined) return apis;
    return apis.filter(
      ({ event, route }) =>
        (service === undefined || event.body.service_name === service) &&
        (endpoint === undefined || route === endpoint),
    );
  }

  /** Distinct users with a login today, in 7 and in 30 calendar days of UTC. */
  activeUsers(nowMs: number, toMs = Number.POSITIVE_INFINITY, filters: RecountFilters = {}) {
    const today = Date.parse(`${new Date(nowMs).toISOString().slice(0, 10)}T00:00:00Z`);
    const [daily, weekly, monthly] = [1, 7, 30].map((days) =>
      distinct(
        this.userEvents(today - (days - 1) * DAY_MS, toMs, filters).filter(
          ({ event }) => event.body.event_type === 'user_login',
        ),
      ),
    );
    return { daily, weekly, monthly };
  }

  services(fromMs: number, gaugesFromMs: number) {
    const recent = grouped(between(this.apis, fromMs, Number.POSITIVE_INFINITY), ({ label }) => label);
    const measured = grouped(
      between(this.systems, gaugesFromMs, Number.POSITIVE_INFINITY).filter(({ admitted }) => admitted),
      ({ event }) => event.body.service_name,
    );
    const all = grouped<{ label: string; timeMs: number }>([...this.apis, ...this.systems], ({ label }) => label);
    return [...all.keys()].sort(byName).map((serviceName) => {
      const gauges: Record<string, number> = Object.create(null);
      for (const { event } of inTime(measured.get(serviceName) ?? []))
        gauges[event.body.metric_name] = event.body.value;
      return {
        serviceName,
        lastSeenMs: (all.get(serviceName) ?? []).reduce((latest, { timeMs }) => Math.max(latest, timeMs), 0),
        gauges: { ...gauges },
        ...sumRequests(recent.get(serviceName) ?? []),
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

  /** Lengths, in milliseconds and sorted, of the sessions that began in a stretch of time. */
  sessionsMs(fromMs: number, toMs = Number.POSITIVE_INFINITY): number[] {
    this.sessions ??= sessionsOf(this.users);
    return this.sessions
      .filter(([first]) => first >= fromMs && first < toMs)
      .map(([first, last]) => last - first)
      .sort((a, b) => a - b);
  }

  /** Endpoints by requests, with their exact response times. */
  endpoints(fromMs: number, toMs: number, filters: RecountFilters = {}) {
    const keyOf = ({ event, route }: (typeof this.apis)[number]): string =>
      `${event.body.service_name}\t${event.body.method.toUpperCase()}\t${route}`;
    return byRequests(grouped(this.requests(fromMs, toMs, filters), keyOf));
  }

  /** Services by requests. */
  busiestServices(fromMs: number, toMs: number, filters: RecountFilters = {}) {
    return byRequests(grouped(this.requests(fromMs, toMs, filters), ({ event }) => event.body.service_name));
  }

  /** Event types by events. */
  eventTypes(fromMs: number, toMs: number, filters: RecountFilters = {}): [string, number][] {
    const counts = grouped(this.userEvents(fromMs, toMs, filters), ({ event }) => event.body.event_type);
    return [...counts]
      .map(([type, events]): [string, number] => [type, events.length])
      .sort(([a, countA], [b, countB]) => countB - countA || byName(a, b));
  }

  /** Metric → service → values measured there. */
  measurements(fromMs: number, toMs: number, { service }: RecountFilters = {}) {
    const systems = between(this.systems, fromMs, toMs).filter(
      ({ event }) => service === undefined || event.body.service_name === service,
    );
    return new Map(
      [...grouped(systems, ({ event }) => event.body.metric_name)].map(([metric, measured]) => [
        metric,
        new Map(
          [...grouped(measured, ({ event }) => event.body.service_name)].map(([name, of]) => [
            name,
            of.map(({ event }) => event.body.value),
          ]),
        ),
      ]),
    );
  }
}
