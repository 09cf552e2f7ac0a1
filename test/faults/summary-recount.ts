import type { Pool } from 'pg';
import * as assert from 'uvu/assert';
import type { Summary } from '../../src/queries/summary.js';

/** Counts in plain SQL, over all rows, what the summary counts incrementally. For tests whose events lie within a day. */
export async function recountSummary(pool: Pool): Promise<Record<string, unknown>> {
  const { rows: api } = await pool.query(
    `select count(*)::int as requests,
            count(*) filter (where status_code >= 500)::int as errors,
            coalesce(sum(request_bytes), 0)::float8 as request_bytes,
            coalesce(sum(response_bytes), 0)::float8 as response_bytes,
            avg(response_time_ms)::float8 as avg_response_time_ms
     from api_metrics`,
  );
  const { rows: codes } = await pool.query<{ status_code: number; count: number }>(
    'select status_code, count(*)::int from api_metrics group by status_code',
  );
  const { rows: users } = await pool.query(
    `select count(*) filter (where event_type = 'user_login')::int as logins,
            count(*) filter (where event_type = 'user_registered')::int as registrations,
            count(distinct user_id) filter (
              where event_type = 'user_login' and created_at >= date_trunc('day', now(), 'UTC')
            )::int as daily,
            count(distinct user_id) filter (where event_type = 'user_login')::int as weekly,
            count(*) filter (where event_type = 'appointment_created')::int as appointments_created,
            count(*) filter (where event_type = 'notification_sent')::int as notifications_sent,
            count(*) filter (where event_type = 'device_registered')::int as device_registrations,
            count(distinct user_id) filter (where event_type like 'patient\\_%')::int as patient_engagement
     from user_events`,
  );
  const { rows: features } = await pool.query(
    `select metadata ->> 'feature' as feature, count(*)::int as uses, count(distinct user_id)::int as users
     from user_events
     where event_type = 'feature_used'
     group by 1
     order by uses desc, feature`,
  );
  return {
    ...api[0],
    ...users[0],
    features,
    status_codes: Object.fromEntries(codes.map(({ status_code, count }) => [String(status_code), count])),
  };
}

/** The same fields, of the API's answer. */
function flatten({ users, api, business }: Summary): Record<string, unknown> {
  const { requests, errors, request_bytes, response_bytes, avg_response_time_ms, status_codes } = api;
  const { logins, registrations, active, features } = users;
  const { appointments_created, notifications_sent, device_registrations, patient_engagement } = business;
  return {
    requests,
    errors,
    request_bytes,
    response_bytes,
    avg_response_time_ms,
    status_codes,
    logins,
    registrations,
    daily: active.daily,
    weekly: active.weekly,
    features,
    appointments_created,
    notifications_sent,
    device_registrations,
    patient_engagement,
  };
}

/** Throws unless the summary says what the tables hold: counts exactly, the mean but for the last bits of a float. */
export function assertEqualsRecount(summary: Summary, recount: Record<string, unknown>): void {
  const { avg_response_time_ms: saidMean, ...said } = flatten(summary);
  const { avg_response_time_ms: countedMean, ...counted } = recount;
  assert.equal(said, counted);
  assert.ok(Math.abs(Number(saidMean) - Number(countedMean)) < 1e-6, `${saidMean} is not ${countedMean}`);
}
