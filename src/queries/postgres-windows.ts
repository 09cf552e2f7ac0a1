import type { PoolClient } from 'pg';
import { type BusinessTypes, EVENT_TYPES, MAX_FEATURE_CHARACTERS, OTHER } from '../store/summary-schema.js';
import type { ActiveUsers, UserCounts, WindowCounts } from './aggregates.js';
import {
  LATENCY_STARTS_US,
  latencyBucketSql,
  onlyRow,
  prefixPatterns,
  REQUEST_SUMS,
  type RequestRow,
  sumRequests,
} from './postgres-rows.js';
import { topFeatures } from './top-features.js';
import { calendarStarts } from './windows.js';

/** Counts [fromMs, toMs), or everything from `fromMs` on. */
export async function readWindowCounts(
  client: PoolClient,
  fromMs: number,
  toMs: number | null,
  business: BusinessTypes,
): Promise<WindowCounts> {
  const window: Window = [new Date(fromMs), toMs === null ? null : new Date(toMs)];
  const requests = await readRequests(client, window);
  const users = await readUserCounts(client, window, business);
  const features = topFeatures(await readFeatures(client, window));
  return { ...requests, ...users, features };
}

type Window = readonly [from: Date, to: Date | null];

/** Distinct users with a login by calendar days up to the day of `nowMs`, or up to `toMs`. */
export async function readActiveUsers(client: PoolClient, nowMs: number, toMs: number | null): Promise<ActiveUsers> {
  const { dailyS, weeklyS, monthlyS } = calendarStarts(nowMs);
  const { rows } = await client.query<Record<keyof ActiveUsers, string>>(
    `select
       count(*) filter (where last_login_at >= $1) as daily,
       count(*) filter (where last_login_at >= $2) as weekly,
       count(*) as monthly
     from (
       select max(created_at) as last_login_at
       from user_events
       where event_type = $4 and created_at >= $3 and ($5::timestamptz is null or created_at < $5)
         and user_id is not null
       group by user_id
     ) as users`,
    [
      new Date(dailyS * 1000),
      new Date(weeklyS * 1000),
      new Date(monthlyS * 1000),
      EVENT_TYPES.login,
      toMs === null ? null : new Date(toMs),
    ],
  );
  const { daily, weekly, monthly } = onlyRow(rows);
  return { daily: Number(daily), weekly: Number(weekly), monthly: Number(monthly) };
}

async function readRequests(client: PoolClient, window: Window) {
  const { rows } = await client.query<RequestRow & { readonly status_code: number }>(
    `select status_code, ${latencyBucketSql('$3')} as bucket,
       ${REQUEST_SUMS}
     from api_metrics
     where timestamp >= $1 and ($2::timestamptz is null or timestamp < $2)
     group by status_code, bucket`,
    [...window, LATENCY_STARTS_US],
  );
  const statusCodes = new Map<number, number>();
  for (const { status_code: code, requests } of rows) {
    statusCodes.set(code, (statusCodes.get(code) ?? 0) + Number(requests));
  }
  return { ...sumRequests(rows), statusCodes };
}

type UserSums = Omit<UserCounts, 'features'>;

/** The aliases are quoted, so that a row has the names that it is handed on by. */
async function readUserCounts(client: PoolClient, window: Window, business: BusinessTypes): Promise<UserSums> {
  const { rows } = await client.query<Record<keyof UserSums, string>>(
    `select
       count(*) filter (where event_type = $3) as "registrations",
       count(*) filter (where event_type = $4) as "logins",
       count(*) filter (where event_type = any ($5)) as "appointmentsCreated",
       count(*) filter (where event_type = any ($6)) as "notificationsSent",
       count(*) filter (where event_type = any ($7)) as "deviceRegistrations",
       count(*) filter (where event_type like any ($8)) as "patientEvents",
       count(distinct user_id) filter (where event_type = $4) as "loginUsers",
       count(distinct user_id) filter (where event_type like any ($8)) as "patientUsers"
     from user_events
     where created_at >= $1 and ($2::timestamptz is null or created_at < $2)`,
    [
      ...window,
      EVENT_TYPES.registered,
      EVENT_TYPES.login,
      business.appointmentsCreated,
      business.notificationsSent,
      business.deviceRegistrations,
      prefixPatterns(business.patientEngagementPrefixes),
    ],
  );
  const row = onlyRow(rows);
  return {
    registrations: Number(row.registrations),
    logins: Number(row.logins),
    appointmentsCreated: Number(row.appointmentsCreated),
    notificationsSent: Number(row.notificationsSent),
    deviceRegistrations: Number(row.deviceRegistrations),
    patientEvents: Number(row.patientEvents),
    loginUsers: Number(row.loginUsers),
    patientUsers: Number(row.patientUsers),
  };
}

async function readFeatures(client: PoolClient, window: Window): Promise<WindowCounts['features']> {
  const { rows } = await client.query<{ feature: string; uses: string; users: string }>(
    `select coalesce(known.key, $3) as feature, count(*) as uses, count(distinct user_id) as users
     from (
       select metadata ->> 'feature' as feature, user_id
       from user_events
       where event_type = $4 and created_at >= $1 and ($2::timestamptz is null or created_at < $2)
         and jsonb_typeof(metadata -> 'feature') = 'string'
         and char_length(metadata ->> 'feature') between 1 and $5
     ) as used
     left join known_series as known on known.kind = 'feature' and known.key = used.feature
     group by coalesce(known.key, $3)`,
    [...window, OTHER, EVENT_TYPES.featureUsed, MAX_FEATURE_CHARACTERS],
  );
  return rows.map(({ feature, uses, users }) => ({ feature, uses: Number(uses), users: Number(users) }));
}
