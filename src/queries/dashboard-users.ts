import { intervalSql } from '../store/rollups.js';
import { type BusinessTypes, EVENT_TYPES, OTHER } from '../store/summary-schema.js';
import type { UserCounts } from './aggregates.js';
import type { Dashboard, DashboardSeries } from './dashboard.js';
import type { DashboardAxis, Series, SplitSeries } from './dashboard-axis.js';
import { prefixPatterns } from './postgres-rows.js';
import type { RollupReader } from './rollup-reader.js';
import { topFeatures } from './top-features.js';
import { distinctUsers, UserSet } from './user-set.js';

const TOP_EVENT_TYPES = 20;

/** Counts that are sums of events; each may count several event types. */
const SUMS = {
  registrations: 'registrations',
  logins: 'logins',
  appointments_created: 'appointmentsCreated',
  notifications_sent: 'notificationsSent',
  device_registrations: 'deviceRegistrations',
  patient_events: 'patientEvents',
} as const;
type Sum = keyof typeof SUMS;

type UserRow = Readonly<Record<Sum, string>> & {
  readonly interval: number;
  readonly login_users: Buffer;
  readonly patient_users: Buffer;
};

/** Numbers of users of each interval; only events that count for one of them are read. */
async function readIntervals(reader: RollupReader, business: BusinessTypes): Promise<readonly UserRow[]> {
  const { appointmentsCreated, notificationsSent, deviceRegistrations, patientEngagementPrefixes } = business;
  const patterns = prefixPatterns(patientEngagementPrefixes);
  const types: Readonly<Record<Exclude<Sum, 'patient_events'>, readonly string[]>> = {
    registrations: [EVENT_TYPES.registered],
    logins: [EVENT_TYPES.login],
    appointments_created: appointmentsCreated,
    notifications_sent: notificationsSent,
    device_registrations: deviceRegistrations,
  };
  return await reader.users<UserRow>(
    (parameters) => [
      `(event_type = any (${parameters.add(Object.values(types).flat())})
        or event_type like any (${parameters.add(patterns)}))`,
    ],
    (parameters) => {
      const isPatient = `event_type like any (${parameters.add(patterns)})`;
      const sums = Object.entries(types).map(
        ([name, of]) => `coalesce(sum(events) filter (where event_type = any (${parameters.add(of)})), 0) as ${name}`,
      );
      return `select ${intervalSql(parameters.add(reader.intervalSeconds))} as interval, ${sums.join(', ')},
          coalesce(sum(events) filter (where ${isPatient}), 0) as patient_events,
          coalesce(string_agg(users, '') filter (where event_type = '${EVENT_TYPES.login}'), '') as login_users,
          coalesce(string_agg(users, '') filter (where ${isPatient}), '') as patient_users
        from slice
        group by 1`;
    },
  );
}

/** What user events say about the whole range. */
export async function readUserCounts(reader: RollupReader, business: BusinessTypes): Promise<UserCounts> {
  return { ...addUp(await readIntervals(reader, business)), features: await readFeatures(reader) };
}

function addUp(rows: readonly UserRow[]): Omit<UserCounts, 'features'> {
  const counts = {
    registrations: 0,
    logins: 0,
    appointmentsCreated: 0,
    notificationsSent: 0,
    deviceRegistrations: 0,
    patientEvents: 0,
  };
  const [loginUsers, patientUsers] = [new UserSet(), new UserSet()];
  for (const row of rows) {
    for (const [column, name] of Object.entries(SUMS) as [Sum, (typeof SUMS)[Sum]][])
      counts[name] += Number(row[column]);
    loginUsers.addAll(row.login_users);
    patientUsers.addAll(row.patient_users);
  }
  return { ...counts, loginUsers: loginUsers.size, patientUsers: patientUsers.size };
}

/** Distinct users and business numbers of each interval, and of all of them. */
export async function readUserSeries(
  reader: RollupReader,
  axis: DashboardAxis,
  business: BusinessTypes,
): Promise<{
  readonly counts: Omit<UserCounts, 'features'>;
  readonly series: Pick<DashboardSeries, 'active_users' | 'registrations' | 'logins' | 'business'>;
}> {
  const rows = await readIntervals(reader, business);
  const series = (value: (row: UserRow) => number): Series =>
    axis.series(new Map(rows.map((row) => [axis.placeOf(row.interval), value(row)])), 0);
  return {
    counts: addUp(rows),
    series: {
      active_users: series((row) => distinctUsers(row.login_users)),
      registrations: series((row) => Number(row.registrations)),
      logins: series((row) => Number(row.logins)),
      business: {
        appointments_created: series((row) => Number(row.appointments_created)),
        notifications_sent: series((row) => Number(row.notifications_sent)),
        device_registrations: series((row) => Number(row.device_registrations)),
        patient_engagement: series((row) => distinctUsers(row.patient_users)),
      },
    },
  };
}

/** The features that are used most. */
export async function readFeatures(reader: RollupReader): Promise<UserCounts['features']> {
  const rows = await reader.users<{ readonly feature: string; readonly uses: string; readonly users: Buffer }>(
    (parameters) => [`event_type = ${parameters.add(EVENT_TYPES.featureUsed)}`],
    (parameters) => `select coalesce(known.key, ${parameters.add(OTHER)}) as feature, sum(events) as uses,
        string_agg(users, '') as users
      from slice
      left join known_series as known on known.kind = 'feature' and known.key = slice.feature
      where slice.feature is not null
      group by 1`,
  );
  const uses = rows.map(({ feature, uses, users }) => ({ feature, uses: Number(uses), ids: users }));
  return topFeatures(uses).map(({ ids, ...use }) => ({ ...use, users: distinctUsers(ids) }));
}

/** Distinct users with a login from each of these times (ms since 1970, starts of days, the latest first) on. */
export async function readLoginUsersFrom(reader: RollupReader, fromMs: readonly number[]): Promise<number[]> {
  const rows = await reader.users<{ readonly period: number; readonly users: Buffer }>(
    (parameters) => [`event_type = ${parameters.add(EVENT_TYPES.login)}`],
    (parameters) => `select period, string_agg(users, '') as users
      from (
        select users, width_bucket(
          extract(epoch from starts_at)::bigint,
          ${parameters.add([...fromMs].reverse().map((timeMs) => Math.floor(timeMs / 1000)))}::bigint[]
        ) as period
        from slice
      ) as logins
      group by 1`,
  );
  const users = new UserSet();
  return fromMs.map((_, index) => {
    for (const row of rows) if (row.period === fromMs.length - index) users.addAll(row.users);
    return users.size;
  });
}

interface EventTypeRow {
  /** Null for all that are not among the most frequent. */
  readonly event_type: string | null;
  /** `interval:events,…`, several of an interval maybe. */
  readonly slices: string;
}

/** Events by type of each interval, and which types there are most of. */
export async function readEventTypes(
  reader: RollupReader,
  axis: DashboardAxis,
): Promise<{ readonly series: SplitSeries; readonly top: Dashboard['top']['event_types'] }> {
  // Added up here: thousands of sums, and of rows, would take longer in Postgres and on the way.
  const rows = await reader.users<EventTypeRow>(
    () => [],
    (parameters) => `, counted as (
        select ${intervalSql(parameters.add(reader.intervalSeconds))} as interval, event_type, events
        from slice
      ),
      top as (
        select event_type
        from counted
        group by event_type
        order by sum(events) desc, event_type collate "C"
        limit ${parameters.add(TOP_EVENT_TYPES)}
      )
      select top.event_type, string_agg(interval || ':' || events, ',') as slices
      from counted
      left join top using (event_type)
      group by top.event_type`,
  );
  const listed = new Map<string, number>();
  const byType = new Map<string, Map<number, number>>();
  for (const { event_type: type, slices } of rows) {
    // An event type may itself be called `other`.
    const values = byType.get(type ?? OTHER) ?? new Map<number, number>();
    let total = 0;
    for (const slice of slices.split(',')) {
      const at = slice.indexOf(':');
      const [place, events] = [axis.placeOf(Number(slice.slice(0, at))), Number(slice.slice(at + 1))];
      values.set(place, (values.get(place) ?? 0) + events);
      total += events;
    }
    byType.set(type ?? OTHER, values);
    if (type !== null) listed.set(type, total);
  }
  return {
    series: axis.split(byType, 0),
    top: [...listed]
      .sort(([a, eventsA], [b, eventsB]) => eventsB - eventsA || (a < b ? -1 : 1))
      .map(([event_type, events]) => ({ event_type, events })),
  };
}
