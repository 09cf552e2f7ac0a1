import type { DashboardRange } from './dashboard-range.js';

/** The parameters $1 to $3 of every statement over a range. */
export function rangeValues({ fromMs, toMs, intervalSeconds }: DashboardRange): [Date, Date, number] {
  return [new Date(fromMs), new Date(toMs), intervalSeconds];
}

/** The start of the interval that a time falls into; intervals are counted from $1 and last $3 seconds. */
export function startsAtSql(column: string): string {
  return `date_bin(make_interval(secs => $3), ${column}, $1)`;
}

/** Which interval of the range a group is, from 0. */
export const INTERVAL_SQL = '(extract(epoch from starts_at - $1) / $3)::integer';
