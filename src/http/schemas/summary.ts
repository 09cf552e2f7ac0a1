import Type from 'typebox';
import type { FiringAlert, Summary } from '../../queries/summary.js';
import { describing } from './agreement.js';
import { count, flag, number, orNull, text, time } from './fields.js';

const BUCKETS = 'from buckets, at most 2 % off';

export const FiringAlertSchema = describing<FiringAlert>()(
  Type.Object(
    {
      name: text('The rule'),
      severity: text('info, warning or critical'),
      labels: Type.Record(Type.String(), Type.String(), { description: 'service_name, where the rule is by service' }),
      value: orNull('The number that the condition is about, when it began to fire'),
      starts_at: time('When it began to fire'),
    },
    { description: 'An alert that fires now' },
  ),
);

/** Numbers of requests: of the platform, of a service or of an endpoint. */
export const API_NUMBERS = {
  requests: count('Requests that services answered'),
  errors: count('Requests with a status of 500 or more'),
  error_rate: orNull('errors / requests, 0 to 1'),
  avg_response_time_ms: orNull('Mean response time, milliseconds'),
  p50_response_time_ms: orNull(`Median response time, milliseconds; ${BUCKETS}`),
  p95_response_time_ms: orNull(`95th percentile of response times, milliseconds; ${BUCKETS}`),
  p99_response_time_ms: orNull(`99th percentile of response times, milliseconds; ${BUCKETS}`),
  max_response_time_ms: orNull('Longest response time, milliseconds'),
  request_bytes: count('Sum of the sizes of requests, bytes, of those that tell theirs'),
  avg_request_bytes: orNull('Mean size of requests, bytes'),
  p95_request_bytes: orNull(`95th percentile of sizes of requests, bytes; ${BUCKETS}`),
  response_bytes: count('Sum of the sizes of responses, bytes, of those that tell theirs'),
  avg_response_bytes: orNull('Mean size of responses, bytes'),
  p95_response_bytes: orNull(`95th percentile of sizes of responses, bytes; ${BUCKETS}`),
  status_codes: Type.Record(Type.String(), Type.Integer({ minimum: 0 }), { description: 'Requests by status' }),
};

export const FeaturesSchema = Type.Array(
  Type.Object({
    feature: text('metadata.feature of feature_used'),
    uses: count('How often it was used'),
    users: count('Distinct users who did'),
  }),
  { description: 'The features that are used most, 50 at most' },
);

const UsersSchema = Type.Object({
  active: Type.Object(
    {
      daily: count('Today'),
      weekly: count('In the last 7 calendar days'),
      monthly: count('In the last 30 calendar days'),
    },
    { description: 'Distinct users with a user_login, by calendar days in UTC, whatever the window' },
  ),
  registrations: count('user_registered events'),
  logins: count('user_login events'),
  logins_per_active_user: orNull('logins / distinct users with a login in the window'),
  logins_per_active_user_and_day: orNull('The same, for each day (24 hours) of the window'),
  features: FeaturesSchema,
  sessions: orNull('Sessions: user events with one metadata.session_id, or of a user without a gap of 30 minutes'),
  avg_session_seconds: orNull('Mean length of a session, seconds'),
  p50_session_seconds: orNull('Median length of a session, seconds'),
  p95_session_seconds: orNull('95th percentile of lengths of sessions, seconds'),
});

export const SummarySchema = describing<Summary>()(
  Type.Object(
    {
      generated_at: time('When this was answered'),
      window_seconds: number('How far back it goes, seconds'),
      source: Type.Union([Type.Literal('redis'), Type.Literal('postgres')], { description: 'Where it was read' }),
      degraded: flag('Redis could not be asked'),
      users: UsersSchema,
      api: Type.Object({
        ...API_NUMBERS,
        request_rate: number('Requests per second, over as much of the window as has passed'),
      }),
      system: Type.Object(
        {
          services: count('Services ever heard of'),
          healthy: count('Healthy services'),
          degraded: count('Services with an alert threshold exceeded'),
          down: count('Services silent for three aggregation intervals'),
          unknown: count('Services silent for more than one'),
        },
        { description: 'By now, whatever the window' },
      ),
      business: Type.Object(
        {
          appointments_created: count('Appointments created'),
          notifications_sent: count('Notifications sent'),
          device_registrations: count('Devices registered'),
          patient_engagement: count('Distinct users with a patient event'),
          patient_events_per_user: orNull('Patient events / those users'),
        },
        { description: 'Which event types count is config/business.yaml' },
      ),
      alerts: Type.Object({ firing: Type.Array(FiringAlertSchema) }),
    },
    { description: 'How the platform is doing. Every field is always there; null where nothing is known' },
  ),
);
