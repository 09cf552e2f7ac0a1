import type { Pool, PoolClient } from 'pg';
import { readCheckpoint, TABLES_PROJECTION } from '../store/checkpoints.js';
import { readSessionLengths, type SessionLengths } from '../store/session-lengths.js';
import { type BusinessTypes, MINUTE_S } from '../store/summary-schema.js';
import type { ActiveUsers, WindowCounts } from './aggregates.js';
import { AnswerCache } from './answer-cache.js';
import { type Dashboard, type DashboardSeries, intervalStarts } from './dashboard.js';
import { readMeasurementSeries } from './dashboard-measurements.js';
import type { DashboardRange } from './dashboard-range.js';
import { readRequestSeries, readTopEndpoints } from './dashboard-requests.js';
import { readEventTypes, readUserSeries } from './dashboard-users.js';
import { readActiveUsers, readWindowCounts } from './postgres-windows.js';
import { REST_FACTOR, readOnly } from './read-only.js';
import { QueryUnavailable, unavailable, within } from './unavailable.js';

const TIMEOUT_MS = 15_000;
const TOP_FEATURES = 20;

/** What a dashboard says about its range; the rest of it is about now. */
export interface DashboardContent {
  readonly counts: WindowCounts;
  readonly activeUsers: ActiveUsers;
  readonly sessions: SessionLengths;
  readonly series: DashboardSeries;
  readonly top: Dashboard['top'];
}

/**
 * Counts a range in the tables: all parts on one snapshot, so that they add up. The same range is counted once for all
 * who ask at the same time, and not again while the tables have not moved, or for a few times as long as it took.
 */
export class DashboardSource {
  readonly #answers = new AnswerCache<DashboardContent>(REST_FACTOR);

  constructor(
    private readonly pool: Pool,
    private readonly business: BusinessTypes,
  ) {}

  /** @throws QueryUnavailable */
  async read(range: DashboardRange, nowMs: number): Promise<DashboardContent> {
    try {
      const late = (): Error => new QueryUnavailable('The range cannot be counted in time');
      return await within(TIMEOUT_MS, this.#read(range, nowMs), late);
    } catch (error) {
      throw unavailable(error);
    }
  }

  async #read(range: DashboardRange, nowMs: number): Promise<DashboardContent> {
    const checkpoint = await readCheckpoint(this.pool, TABLES_PROJECTION);
    const version = `${checkpoint?.sequence ?? 0} ${Math.floor(nowMs / 1000 / MINUTE_S)}`;
    const key = `${range.fromMs} ${range.toMs} ${range.intervalSeconds}`;
    return await this.#answers.get(key, version, () =>
      readOnly(this.pool, (client) => readContent(client, range, this.business)),
    );
  }
}

async function readContent(
  client: PoolClient,
  range: DashboardRange,
  business: BusinessTypes,
): Promise<DashboardContent> {
  const { fromMs, toMs } = range;
  const starts = intervalStarts(range);
  const counts = await readWindowCounts(client, fromMs, toMs, business);
  // The calendar days are those that end with the last moment of the range.
  const activeUsers = await readActiveUsers(client, toMs - 1, toMs);
  const sessions = await readSessionLengths(client, fromMs, toMs);
  const requests = await readRequestSeries(client, range, starts);
  const users = await readUserSeries(client, range, starts, business);
  const eventTypes = await readEventTypes(client, range, starts);
  const measurements = await readMeasurementSeries(client, range, starts);
  const endpoints = await readTopEndpoints(client, range);
  return {
    counts,
    activeUsers,
    sessions,
    series: { ...requests, ...users, events_by_type: eventTypes.series, ...measurements },
    top: { endpoints, features: counts.features.slice(0, TOP_FEATURES), event_types: eventTypes.top },
  };
}
