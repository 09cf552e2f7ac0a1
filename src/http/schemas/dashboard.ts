import Type from 'typebox';
import type { Dashboard, DashboardSeries } from '../../queries/dashboard.js';
import type { Series, SplitSeries } from '../../queries/dashboard-axis.js';
import type { DashboardComparison } from '../../queries/dashboard-comparison.js';
import { describing } from './agreement.js';
import { count, number, orNull, text, time } from './fields.js';
import { ServiceHealthSchema } from './services-health.js';
import { API_NUMBERS, FeaturesSchema, FiringAlertSchema, SummarySchema } from './summary.js';

const PointSchema = Type.Object({
  t: time('Start of the interval'),
  value: Type.Union([Type.Number(), Type.Null()], { description: 'null where nothing is known' }),
});
const series = (description: string) =>
  describing<Series>()(Type.Array(PointSchema, { maxItems: 501, description: `${description}; a point an interval` }));
const split = (description: string) =>
  describing<SplitSeries>()(Type.Record(Type.String(), Type.Array(PointSchema, { maxItems: 501 }), { description }));

const DashboardSeriesSchema = describing<DashboardSeries>()(
  Type.Object({
    requests: series('Requests'),
    errors: series('Requests with a status of 500 or more'),
    request_rate: series('Requests per second'),
    error_rate: series('errors / requests, 0 to 1'),
    avg_response_time: series('Mean response time, milliseconds'),
    p50: series('Median response time, milliseconds'),
    p95: series('95th percentile, milliseconds'),
    p99: series('99th percentile, milliseconds'),
    max: series('Longest response time, milliseconds'),
    request_bytes: series('Sum of the sizes of requests, bytes'),
    response_bytes: series('Sum of the sizes of responses, bytes'),
    active_users: series('Distinct users with a login'),
    registrations: series('Registrations'),
    logins: series('Logins'),
    events_by_type: split('User events by type: the most frequent types, the rest as other'),
    business: split('Business events by number'),
    cpu_usage: split('Mean measurement by service, percent'),
    memory_usage: split('Mean measurement by service, bytes'),
    db_pool_usage: split('Mean of active connections / mean of the most there may be, 0 to 1'),
  }),
);

/** Names of the series, as they are asked for one by one. */
export const SERIES_NAMES = Object.keys(DashboardSeriesSchema.properties) as readonly (keyof DashboardSeries)[];

const ChangeSchema = Type.Object({
  current: orNull('In the range'),
  previous: orNull('In the period before'),
  change: orNull('(current - previous) / previous'),
});

const ComparisonSchema = describing<DashboardComparison>()(
  Type.Object(
    {
      from: time('Start of the period before'),
      to: time('Its end'),
      numbers: Type.Object({
        requests: ChangeSchema,
        errors: ChangeSchema,
        error_rate: ChangeSchema,
        avg_response_time_ms: ChangeSchema,
        p50_response_time_ms: ChangeSchema,
        p95_response_time_ms: ChangeSchema,
        p99_response_time_ms: ChangeSchema,
        request_bytes: ChangeSchema,
        response_bytes: ChangeSchema,
        active_users: ChangeSchema,
        registrations: ChangeSchema,
        logins: ChangeSchema,
        logins_per_active_user: ChangeSchema,
        sessions: ChangeSchema,
        avg_session_seconds: ChangeSchema,
        appointments_created: ChangeSchema,
        notifications_sent: ChangeSchema,
        device_registrations: ChangeSchema,
        patient_engagement: ChangeSchema,
        patient_events_per_user: ChangeSchema,
      }),
    },
    { description: 'The period before; of a range that is not over, as much of it as has passed' },
  ),
);

const TopServiceSchema = Type.Object({ ...API_NUMBERS, service_name: text('The service') });
const TopEndpointSchema = Type.Object({
  ...API_NUMBERS,
  service_name: text('The service'),
  method: text('HTTP method'),
  endpoint: text('The route: ids as :id, without a query'),
});

export const DashboardSchema = describing<Dashboard>()(
  Type.Object({
    from: time('Start of the range'),
    to: time('End of the range, exclusive'),
    interval_seconds: number('Length of an interval, seconds'),
    generated_at: time('When this was answered'),
    summary: SummarySchema,
    comparison: Type.Union([ComparisonSchema, Type.Null()], { description: 'Null unless compare=previous' }),
    services: Type.Array(ServiceHealthSchema),
    series: DashboardSeriesSchema,
    top: Type.Object({
      services: Type.Array(TopServiceSchema),
      endpoints: Type.Array(TopEndpointSchema),
      features: FeaturesSchema,
      event_types: Type.Array(Type.Object({ event_type: text('The type'), events: count('How many') })),
    }),
    alerts: Type.Array(FiringAlertSchema),
  }),
);
