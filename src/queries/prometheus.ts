import { HISTOGRAM_BOUNDS_S, WELL_KNOWN_EVENT_TYPES } from '../store/summary-schema.js';
import type { HttpSeries, PlatformCounters } from './aggregates.js';
import type { MetricFamily, Sample } from './exposition.js';
import type { FiringAlert } from './summary.js';

/** What the log says about the platform, as metrics: the same on every replica and after a restart. */
export function platformFamilies(counters: PlatformCounters, firing: readonly FiringAlert[]): MetricFamily[] {
  return [
    {
      name: 'http_requests_total',
      help: 'Requests that the services of the platform answered',
      type: 'counter',
      samples: requestSamples(counters.requests),
    },
    {
      name: 'http_request_duration_seconds',
      help: 'Response times of the services of the platform, of the requests that carry one',
      type: 'histogram',
      samples: [...counters.durations].sort(bySeries).flatMap(histogramSamples),
    },
    {
      name: 'platform_events_total',
      help: 'User events of the platform by event type',
      type: 'counter',
      samples: ordered(withKnownTypes(counters.events).map(([type, count]) => sample({ event_type: type }, count))),
    },
    {
      name: 'platform_active_users',
      help: 'Distinct users with a login today, in the last 7 and in the last 30 calendar days (UTC)',
      type: 'gauge',
      samples: (['daily', 'weekly', 'monthly'] as const).map((period) =>
        sample({ period }, counters.activeUsers[period]),
      ),
    },
    {
      name: 'platform_system_metric',
      help: 'Latest measurement of each metric that a service reports, in the unit that it reports',
      type: 'gauge',
      samples: ordered(counters.gauges.map(({ service, metric, value }) => sample({ service, metric }, value))),
    },
    {
      name: 'platform_alert_firing',
      help: 'Alerts that fire now',
      type: 'gauge',
      samples: ordered(distinctAlerts(firing).map((labels) => sample(labels, 1))),
    },
  ];
}

/** Well-known types are 0 before their first event, so that its increase is seen, and rules find a series. */
function withKnownTypes(events: PlatformCounters['events']): [eventType: string, count: number][] {
  const counts = new Map(WELL_KNOWN_EVENT_TYPES.map((type) => [type, 0]));
  for (const { eventType, count } of events) counts.set(eventType, count);
  return [...counts];
}

function sample(labels: Readonly<Record<string, string>>, value: number): Sample {
  return { suffix: '', labels, value };
}

function seriesLabels({ service, method, endpoint }: HttpSeries): Record<string, string> {
  return { service, method, endpoint };
}

/** By service, method, endpoint and status. Samples of one series share the object of its labels. */
function requestSamples(requests: PlatformCounters['requests']): Sample[] {
  const order = (a: (typeof requests)[number], b: (typeof requests)[number]): number =>
    compare(a.service, b.service) ||
    compare(a.method, b.method) ||
    compare(a.endpoint, b.endpoint) ||
    compare(a.status, b.status);
  let labels: Record<string, string> = {};
  return [...requests].sort(order).map((request) => {
    const { service, method, endpoint, status, count } = request;
    if (labels.service !== service || labels.method !== method || labels.endpoint !== endpoint) {
      labels = seriesLabels(request);
    }
    return { suffix: '', labels, last: ['status', status], value: count };
  });
}

const BOUND_LABELS = HISTOGRAM_BOUNDS_S.map((bound) => ['le', String(bound)] as const);
const INFINITE = ['le', '+Inf'] as const;

/** Cumulative buckets, as Prometheus has them, with the sum in seconds. */
function histogramSamples(series: PlatformCounters['durations'][number]): Sample[] {
  const labels = seriesLabels(series);
  const samples: Sample[] = [];
  let count = 0;
  series.buckets.forEach((inBucket, index) => {
    count += inBucket;
    samples.push({ suffix: '_bucket', labels, last: BOUND_LABELS[index] ?? INFINITE, value: count });
  });
  samples.push({ suffix: '_sum', labels, value: series.sumUs / 1e6 }, { suffix: '_count', labels, value: count });
  return samples;
}

/** The same series twice would make the whole scrape invalid: alerts may differ in other labels alone. */
function distinctAlerts(firing: readonly FiringAlert[]): Record<string, string>[] {
  const byKey = new Map(
    firing.map(({ name, severity, labels }) => {
      const of = { alert: name, severity, service: labels.service_name ?? '' };
      return [JSON.stringify(of), of];
    }),
  );
  return [...byKey.values()];
}

function bySeries(a: HttpSeries, b: HttpSeries): number {
  return compare(a.service, b.service) || compare(a.endpoint, b.endpoint) || compare(a.method, b.method);
}

function ordered(samples: readonly Sample[]): Sample[] {
  return samples
    .map((entry) => ({ entry, key: Object.values(entry.labels).join('\n') }))
    .sort((a, b) => compare(a.key, b.key))
    .map(({ entry }) => entry);
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
