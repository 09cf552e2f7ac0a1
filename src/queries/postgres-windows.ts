import type { PoolClient } from 'pg';
import type { BusinessTypes } from '../store/summary-schema.js';
import type { ActiveUsers, WindowCounts } from './aggregates.js';
import type { DashboardFilters } from './dashboard-filters.js';
import { readRequestCounts } from './dashboard-requests.js';
import { readLoginUsersFrom, readUserCounts } from './dashboard-users.js';
import { RollupSnapshot } from './rollup-reader.js';
import { calendarStarts } from './windows.js';

/** Events are dated up to five minutes ahead; a window that ends now contains them. */
export const AHEAD_MS = 600_000;

/** Counts everything from `fromMs` on. */
export async function readWindowCounts(
  client: PoolClient,
  fromMs: number,
  nowMs: number,
  business: BusinessTypes,
): Promise<WindowCounts> {
  const range = { fromMs, toMs: nowMs + AHEAD_MS };
  const reader = (await RollupSnapshot.open(client, range, nowMs)).whole(range, {});
  const requests = await readRequestCounts(reader);
  const users = await readUserCounts(reader, business);
  return { ...requests, ...users };
}

/** Where the last 30 calendar days (UTC) begin. */
export function monthStartMs(timeMs: number): number {
  return calendarStarts(timeMs).monthlyS * 1000;
}

/**
 * Distinct users with a login by calendar days up to the day of `dayMs`, of what a snapshot has of them.
 *
 * @param toMs what is later does not count
 */
export async function readActiveUsers(
  snapshot: RollupSnapshot,
  dayMs: number,
  toMs: number,
  filters: DashboardFilters,
): Promise<ActiveUsers> {
  const { dailyS, weeklyS, monthlyS } = calendarStarts(dayMs);
  const reader = snapshot.whole({ fromMs: monthlyS * 1000, toMs }, filters);
  const starts = [dailyS, weeklyS, monthlyS].map((startS) => startS * 1000);
  const [daily = 0, weekly = 0, monthly = 0] = await readLoginUsersFrom(reader, starts);
  return { daily, weekly, monthly };
}

/** The same up to now. */
export async function readActiveUsersNow(client: PoolClient, nowMs: number): Promise<ActiveUsers> {
  const range = { fromMs: monthStartMs(nowMs), toMs: nowMs + AHEAD_MS };
  return await readActiveUsers(await RollupSnapshot.open(client, range, nowMs), nowMs, range.toMs, {});
}
