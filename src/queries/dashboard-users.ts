import type { PoolClient } from 'pg';
import { type BusinessTypes, EVENT_TYPES, OTHER } from '../store/summary-schema.js';
import { type Dashboard, type DashboardSeries, gapFree, type SplitSeries } from './dashboard.js';
import { INTERVAL_SQL, rangeValues, startsAtSql } from './dashboard-intervals.js';
import type { DashboardRange } from './dashboard-range.js';
import { prefixPatterns } from './postgres-rows.js';

const TOP_EVENT_TYPES = 20;

const BUSINESS_SERIES = [
  'appointments_created',
  'notifications_sent',
  'device_registrations',
  'patient_engagement',
] as const;

type UserRow = Record<'active_users' | (typeof BUSINESS_SERIES)[number], string> & { readonly interval: number };

/** Distinct users and business numbers of each interval; only events that count for one of them are read. */
export async function readUserSeries(
  client: PoolClient,
  range: DashboardRange,
  starts: readonly string[],
  business: BusinessTypes,
): Promise<Pick<DashboardSeries, 'active_users' | 'business'>> {
  const { appointmentsCreated, notificationsSent, deviceRegistrations, patientEngagementPrefixes } = business;
  const { rows } = await client.query<UserRow>(
    `select ${INTERVAL_SQL} as interval,
       count(distinct user_id) filter (where event_type = $4) as active_users,
       count(*) filter (where event_type = any ($5)) as appointments_created,
       count(*) filter (where event_type = any ($6)) as notifications_sent,
       count(*) filter (where event_type = any ($7)) as device_registrations,
       count(distinct user_id) filter (where event_type like any ($8)) as patient_engagement
     from (
       select ${startsAtSql('created_at')} as starts_at, event_type, user_id
       from user_events
       where created_at >= $1 and created_at < $2 and (event_type = any ($9) or event_type like any ($8))
     ) as events
     group by starts_at`,
    [
      ...rangeValues(range),
      EVENT_TYPES.login,
      appointmentsCreated,
      notificationsSent,
      deviceRegistrations,
      prefixPatterns(patientEngagementPrefixes),
      [EVENT_TYPES.login, ...appointmentsCreated, ...notificationsSent, ...deviceRegistrations],
    ],
  );
  const series = (name: 'active_users' | (typeof BUSINESS_SERIES)[number]) =>
    gapFree(starts, new Map(rows.map((row) => [row.interval, Number(row[name])])), 0);
  return {
    active_users: series('active_users'),
    business: Object.fromEntries(BUSINESS_SERIES.map((name) => [name, series(name)])),
  };
}

interface EventTypeRow {
  readonly interval: number;
  /** Null for all that are not among the most frequent. */
  readonly event_type: string | null;
  readonly events: string;
}

/** Events by type of each interval, and which types there are most of. */
export async function readEventTypes(
  client: PoolClient,
  range: DashboardRange,
  starts: readonly string[],
): Promise<{ readonly series: SplitSeries; readonly top: Dashboard['top']['event_types'] }> {
  const { rows } = await client.query<EventTypeRow>(
    `with counted as (
       select ${startsAtSql('created_at')} as starts_at, event_type, count(*) as events
       from user_events
       where created_at >= $1 and created_at < $2
       group by starts_at, event_type
     ),
     top as (
       select event_type
       from counted
       group by event_type
       order by sum(events) desc, event_type collate "C"
       limit $4
     )
     select ${INTERVAL_SQL} as interval, top.event_type, sum(events) as events
     from counted
     left join top using (event_type)
     group by starts_at, top.event_type`,
    [...rangeValues(range), TOP_EVENT_TYPES],
  );
  const listed = new Map<string, number>();
  const byType = new Map<string, Map<number, number>>();
  for (const { interval, event_type: type, events } of rows) {
    if (type !== null) listed.set(type, (listed.get(type) ?? 0) + Number(events));
    const values = byType.get(type ?? OTHER) ?? new Map<number, number>();
    // An event type may itself be called `other`.
    values.set(interval, (values.get(interval) ?? 0) + Number(events));
    byType.set(type ?? OTHER, values);
  }
  return {
    series: Object.fromEntries(
      [...byType].sort(([a], [b]) => (a < b ? -1 : 1)).map(([type, values]) => [type, gapFree(starts, values, 0)]),
    ),
    top: [...listed]
      .sort(([a, eventsA], [b, eventsB]) => eventsB - eventsA || (a < b ? -1 : 1))
      .map(([event_type, events]) => ({ event_type, events })),
  };
}
