import type { Pool, PoolClient } from 'pg';
import { type Checkpoint, readCheckpoints, SESSIONS_PROJECTION, TABLES_PROJECTION } from '../store/checkpoints.js';
import type { Stretch } from '../store/rollups.js';
import { readSessionLengths } from '../store/session-lengths.js';
import { type BusinessTypes, MINUTE_S } from '../store/summary-schema.js';
import type { ActiveUsers } from './aggregates.js';
import { AnswerCache } from './answer-cache.js';
import type { Dashboard, DashboardSeries } from './dashboard.js';
import { DashboardAxis } from './dashboard-axis.js';
import { comparePeriods, type DashboardComparison, type PeriodCounts, previousPeriod } from './dashboard-comparison.js';
import type { DashboardFilters } from './dashboard-filters.js';
import { readMeasurementSeries } from './dashboard-measurements.js';
import type { DashboardRange } from './dashboard-range.js';
import { readRequestCounts, readRequestSeries, readTopEndpoints, readTopServices } from './dashboard-requests.js';
import { readEventTypes, readFeatures, readUserCounts, readUserSeries } from './dashboard-users.js';
import { monthStartMs, readActiveUsers } from './postgres-windows.js';
import { readOnly, TABLES_REST } from './read-only.js';
import { RollupSnapshot } from './rollup-reader.js';
import { SameTurn } from './same-turn.js';
import { QueryUnavailable, unavailable, within } from './unavailable.js';

const TIMEOUT_MS = 15_000;
const TOP_FEATURES = 20;
/** What dashboards are counted from. */
const PROJECTIONS = [TABLES_PROJECTION, SESSIONS_PROJECTION];

/** What a dashboard is asked for. */
export interface DashboardQuestion {
  readonly range: DashboardRange;
  readonly filters: DashboardFilters;
  /** Whether the headline numbers stand beside those of the period before. */
  readonly compare: boolean;
}

/** The same for all who ask the same. */
export function keyOf({ range, filters, compare }: DashboardQuestion): string {
  return JSON.stringify([range, filters.service, filters.endpoint, filters.eventType, compare]);
}

/** What a dashboard says about its range; the rest of it is about now. */
export interface DashboardContent extends PeriodCounts {
  readonly activeUsers: ActiveUsers;
  readonly comparison: DashboardComparison | null;
  readonly series: DashboardSeries;
  readonly top: Dashboard['top'];
}

/**
 * Counts a range in rollups and tables: all parts on one snapshot, so that they add up. The same question is counted once
 * for all who ask it at the same time, and not again while the tables have not moved, or for a few times as long as it took.
 */
export class DashboardSource {
  readonly #answers = new AnswerCache<DashboardContent>(TABLES_REST);
  readonly #looks = new SameTurn<ReadonlyMap<string, Checkpoint>>();

  constructor(
    private readonly pool: Pool,
    private readonly business: BusinessTypes,
  ) {}

  /** @throws QueryUnavailable */
  async read(question: DashboardQuestion, nowMs: number): Promise<DashboardContent> {
    try {
      const late = (): Error => new QueryUnavailable('The range cannot be counted in time');
      return await within(TIMEOUT_MS, this.#read(question, nowMs), late);
    } catch (error) {
      throw unavailable(error);
    }
  }

  async #read(question: DashboardQuestion, nowMs: number): Promise<DashboardContent> {
    // One look for all questions of a turn.
    const positions = await this.#looks.ask('', () => readCheckpoints(this.pool, PROJECTIONS));
    const of = (name: string): number => positions.get(name)?.sequence ?? 0;
    const version = `${PROJECTIONS.map(of).join(' ')} ${Math.floor(nowMs / 1000 / MINUTE_S)}`;
    return await this.#answers.get(keyOf(question), version, () =>
      readOnly(this.pool, (client) => readContent(client, question, this.business, nowMs)),
    );
  }
}

async function readContent(
  client: PoolClient,
  { range, filters, compare }: DashboardQuestion,
  business: BusinessTypes,
  nowMs: number,
): Promise<DashboardContent> {
  const { fromMs, toMs } = range;
  const axis = new DashboardAxis(range);
  const previous = compare ? previousPeriod(range, nowMs) : undefined;
  const needed = { fromMs: Math.min(previous?.fromMs ?? fromMs, fromMs, monthStartMs(toMs - 1)), toMs };
  const snapshot = await RollupSnapshot.open(client, needed, nowMs);
  const reader = snapshot.byIntervals(range, filters);
  const whole = snapshot.whole(range, filters);
  const requests = await readRequestSeries(reader, axis, nowMs);
  const users = await readUserSeries(reader, axis, business);
  const eventTypes = await readEventTypes(reader, axis);
  const measurements = await readMeasurementSeries(reader, axis);
  const services = await readTopServices(whole);
  const endpoints = await readTopEndpoints(whole);
  const features = await readFeatures(whole);
  const readPeriod = async (period: Stretch): Promise<PeriodCounts> => {
    const ofPeriod = snapshot.whole(period, filters);
    const counts = { ...(await readRequestCounts(ofPeriod)), ...(await readUserCounts(ofPeriod, business)) };
    return { counts, sessions: await readSessionLengths(client, period.fromMs, period.toMs) };
  };
  const current = {
    counts: { ...requests.counts, ...users.counts, features },
    sessions: await readSessionLengths(client, fromMs, toMs),
  };
  return {
    ...current,
    // The calendar days are those that end with the last moment of the range.
    activeUsers: await readActiveUsers(snapshot, toMs - 1, toMs, filters),
    comparison: previous === undefined ? null : comparePeriods(current, await readPeriod(previous), previous),
    series: { ...requests.series, ...users.series, events_by_type: eventTypes.series, ...measurements },
    top: { services, endpoints, features: features.slice(0, TOP_FEATURES), event_types: eventTypes.top },
  };
}
