import type { PoolClient } from 'pg';
import { type BusinessTypes, HOUR_S } from '../store/summary-schema.js';
import type { ActiveUsers, WindowCounts } from './aggregates.js';
import type { DashboardFilters } from './dashboard-filters.js';
import { readRequestCounts } from './dashboard-requests.js';
import { readLoginUsersFrom, readUserCounts } from './dashboard-users.js';
import { grainOf } from './rollup-cover.js';
import { RollupReader } from './rollup-reader.js';
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
  const range = { fromMs, toMs: nowMs + AHEAD_MS, intervalSeconds: grainOf(fromMs) };
  const reader = await RollupReader.open(client, range, {}, nowMs);
  const requests = await readRequestCounts(reader);
  const users = await readUserCounts(reader, business);
  return { ...requests, ...users };
}

/**
 * Distinct users with a login by calendar days up to the day of `dayMs`.
 *
 * @param toMs what is later does not count; null: up to now
 */
export async function readActiveUsers(
  client: PoolClient,
  dayMs: number,
  toMs: number | null,
  nowMs: number,
  filters: DashboardFilters = {},
): Promise<ActiveUsers> {
  const { dailyS, weeklyS, monthlyS } = calendarStarts(dayMs);
  const range = { fromMs: monthlyS * 1000, toMs: toMs ?? nowMs + AHEAD_MS, intervalSeconds: HOUR_S };
  const reader = await RollupReader.open(client, range, filters, nowMs);
  const starts = [dailyS, weeklyS, monthlyS].map((startS) => startS * 1000);
  const [daily = 0, weekly = 0, monthly = 0] = await readLoginUsersFrom(reader, starts);
  return { daily, weekly, monthly };
}
