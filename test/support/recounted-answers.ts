import type { Recount, RecountFilters } from './recount.js';
import { exactPercentile } from './recount-loops.js';
import { apiOf, divide, iso, mean, recountedSeries, thousandth } from './recounted-series.js';

/**
 * The answers of the API made of a recount, with exact percentiles. Written from docs/metrics.md and apart from the
 * product's code, which they are held against.
 */

export interface Judged {
  errorRate: number;
  responseTimeMs: number;
  intervalSeconds: number;
}

const WINDOW_S = { '1h': 3_600, '24h': 86_400, '7d': 604_800, '30d': 2_592_000 };
const COMPARED =
  'requests errors error_rate avg_response_time_ms p50_response_time_ms p95_response_time_ms p99_response_time_ms ' +
  'request_bytes response_bytes active_users registrations logins logins_per_active_user sessions avg_session_seconds ' +
  'appointments_created notifications_sent device_registrations patient_engagement patient_events_per_user';

export class RecountedAnswers {
  constructor(
    private readonly recount: Recount,
    private readonly nowMs: number,
    private readonly judged: Judged,
  ) {}

  health() {
    const { intervalSeconds } = this.judged;
    const endMs = (Math.floor(this.nowMs / 60_000) + 1) * 60_000;
    const fromMs = endMs - 60_000 - Math.ceil(intervalSeconds / 60) * 60_000;
    const gaugesFromMs = fromMs - 2 * intervalSeconds * 1000;
    const services = this.recount.services(fromMs, gaugesFromMs).map((service) => {
      const gauge = (name: string): number | null => service.gauges[name] ?? null;
      const api = apiOf(service);
      return {
        service_name: service.serviceName,
        ...this.verdict(api.error_rate, api.avg_response_time_ms, service.lastSeenMs),
        // The events of the recount hold no answers of NATS services.
        sources: service.lastSeenMs >= gaugesFromMs ? ['events'] : [],
        nats: null,
        last_seen_at: iso(service.lastSeenMs),
        request_rate: service.requests / ((this.nowMs - fromMs) / 1000),
        error_rate: api.error_rate,
        avg_response_time_ms: api.avg_response_time_ms,
        p95_response_time_ms: api.p95_response_time_ms,
        cpu_usage: gauge('cpu_usage'),
        memory_usage: gauge('memory_usage'),
        db_pool: { active: gauge('db_pool_active'), idle: gauge('db_pool_idle'), max: gauge('db_pool_max') },
      };
    });
    const worst = ['down', 'degraded', 'unknown', 'healthy'].find((status) =>
      services.some((service) => service.status === status),
    );
    return { status: worst ?? 'unknown', generated_at: iso(this.nowMs), services };
  }

  private verdict(errorRate: number | null, averageMs: number | null, lastSeenMs: number) {
    const { errorRate: maxRate, responseTimeMs: maxMs, intervalSeconds } = this.judged;
    const silentSeconds = (this.nowMs - lastSeenMs) / 1000;
    const silence = [`no event since ${iso(lastSeenMs)}`];
    if (silentSeconds >= 3 * intervalSeconds) return { status: 'down', reasons: silence };
    const reasons = [
      ...((errorRate ?? 0) > maxRate ? [`error rate ${errorRate?.toFixed(4)} is above ${maxRate}`] : []),
      ...((averageMs ?? 0) > maxMs ? [`average response time ${averageMs?.toFixed(1)} ms is above ${maxMs} ms`] : []),
    ];
    if (reasons.length > 0) return { status: 'degraded', reasons };
    return silentSeconds > intervalSeconds
      ? { status: 'unknown', reasons: silence }
      : { status: 'healthy', reasons: [] };
  }

  summary(window: keyof typeof WINDOW_S, from: { source: string; degraded: boolean }) {
    const seconds = WINDOW_S[window];
    const grainMs = seconds > 86_400 ? 3_600_000 : 60_000;
    const fromMs = (Math.floor(this.nowMs / grainMs) + 1) * grainMs - seconds * 1000;
    const active = this.recount.activeUsers(this.nowMs);
    return this.period(fromMs, Number.POSITIVE_INFINITY, seconds, active, from, {});
  }

  private period(
    fromMs: number,
    toMs: number,
    seconds: number,
    active: object,
    from: { source: string; degraded: boolean },
    filters: RecountFilters,
  ) {
    const counted = this.recount.window(fromMs, toMs, filters);
    const sessions = this.recount.sessionsMs(fromMs, toMs);
    const perUser = divide(counted.logins, counted.loginUsers);
    const { services } = this.health();
    const withStatus = (status: string): number => services.filter((service) => service.status === status).length;
    return {
      generated_at: iso(this.nowMs),
      window_seconds: seconds,
      ...from,
      users: {
        active,
        registrations: counted.registrations,
        logins: counted.logins,
        logins_per_active_user: perUser,
        logins_per_active_user_and_day: perUser === null ? null : (perUser * 86_400) / seconds,
        features: counted.features,
        sessions: sessions.length,
        avg_session_seconds: thousandth(mean(sessions)),
        p50_session_seconds: thousandth(exactPercentile(sessions, 50)),
        p95_session_seconds: thousandth(exactPercentile(sessions, 95)),
      },
      api: {
        ...apiOf(counted),
        request_rate: counted.requests / Math.min(seconds, Math.max(1, (this.nowMs - fromMs) / 1000)),
      },
      system: {
        services: services.length,
        healthy: withStatus('healthy'),
        degraded: withStatus('degraded'),
        down: withStatus('down'),
        unknown: withStatus('unknown'),
      },
      business: {
        appointments_created: counted.appointmentsCreated,
        notifications_sent: counted.notificationsSent,
        device_registrations: counted.deviceRegistrations,
        patient_engagement: counted.patientUsers,
        patient_events_per_user: divide(counted.patientEvents, counted.patientUsers),
      },
      alerts: { firing: [] },
    };
  }

  dashboard(
    range: { fromMs: number; toMs: number; intervalSeconds: number },
    filters: RecountFilters,
    compare: boolean,
    degraded: boolean,
  ) {
    const { fromMs, toMs, intervalSeconds } = range;
    const active = this.recount.activeUsers(toMs - 1, toMs, filters);
    const summary = this.period(
      fromMs,
      toMs,
      (toMs - fromMs) / 1000,
      active,
      { source: 'postgres', degraded },
      filters,
    );
    return {
      from: iso(fromMs),
      to: iso(toMs),
      interval_seconds: intervalSeconds,
      generated_at: iso(this.nowMs),
      summary,
      comparison: compare ? this.comparison(fromMs, toMs, filters) : null,
      services: this.health().services.filter(
        ({ service_name }) => filters.service === undefined || service_name === filters.service,
      ),
      series: recountedSeries(this.recount, this.nowMs, range, filters),
      top: {
        services: this.recount
          .busiestServices(fromMs, toMs, filters)
          .slice(0, 20)
          .map((counted) => ({ service_name: counted.key, ...apiOf(counted) })),
        endpoints: this.recount
          .endpoints(fromMs, toMs, filters)
          .slice(0, 20)
          .map((counted) => {
            const [service_name, method, endpoint] = counted.key.split('\t');
            return { service_name, method, endpoint, ...apiOf(counted) };
          }),
        features: summary.users.features.slice(0, 20),
        event_types: this.recount
          .eventTypes(fromMs, toMs, filters)
          .slice(0, 20)
          .map(([event_type, events]) => ({ event_type, events })),
      },
      alerts: [],
    };
  }

  private comparison(fromMs: number, toMs: number, filters: RecountFilters) {
    const lengthMs = toMs - fromMs;
    const previousToMs = Math.min(toMs, Math.floor(this.nowMs / 60_000) * 60_000) - lengthMs;
    const [now, before] = [
      this.headlines(fromMs, toMs, filters),
      this.headlines(fromMs - lengthMs, previousToMs, filters),
    ];
    const numbers = COMPARED.split(' ').map((name) => {
      const [current = null, previous = null] = [now[name], before[name]];
      const change = current === null || previous === null ? null : divide(current - previous, previous);
      return [name, { current, previous, change }] as const;
    });
    return { from: iso(fromMs - lengthMs), to: iso(previousToMs), numbers: Object.fromEntries(numbers) };
  }

  private headlines(fromMs: number, toMs: number, filters: RecountFilters): Record<string, number | null> {
    const none = { source: '', degraded: false };
    const { users, api, business } = this.period(fromMs, toMs, 1, {}, none, filters);
    const { status_codes: _, ...numbers } = api;
    const { features: __, active: ___, ...people } = users;
    return { ...numbers, ...people, ...business, active_users: this.recount.window(fromMs, toMs, filters).loginUsers };
  }
}
