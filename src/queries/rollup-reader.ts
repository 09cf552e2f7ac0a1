import type { PoolClient, QueryResultRow } from 'pg';
import {
  measurementSlicesSql,
  Parameters,
  REQUEST_COLUMNS,
  requestSlicesSql,
  type Stretch,
  timesText,
  userSlicesSql,
} from '../store/rollups.js';
import { DAY_S } from '../store/summary-schema.js';
import { type DashboardFilters, equals, requestConditions } from './dashboard-filters.js';
import { coverRange, type RollupCover, readTouched, type TouchedSlices } from './rollup-cover.js';

/** What requests are told apart by, beside the time. */
export type RequestLevel = 'platform' | 'service' | 'endpoint';

const RAW_GROUPS: Readonly<Record<RequestLevel, string>> = {
  platform: '',
  service: 'service_name',
  endpoint: 'service_name, method, route',
};

/** One snapshot of the database, and what is rolled up in it. */
export class RollupSnapshot {
  private constructor(
    private readonly client: PoolClient,
    private readonly touched: TouchedSlices,
  ) {}

  /**
   * @param client within a transaction that sees one snapshot
   * @param range that contains all that is read afterwards
   */
  static async open(client: PoolClient, range: Stretch, nowMs: number): Promise<RollupSnapshot> {
    return new RollupSnapshot(client, await readTouched(client, range, nowMs));
  }

  /** Reads a range by intervals that are counted from 1970. */
  byIntervals(range: Stretch & { readonly intervalSeconds: number }, filters: DashboardFilters): RollupReader {
    const { intervalSeconds } = range;
    return new RollupReader(this.client, coverRange(range, intervalSeconds, this.touched), intervalSeconds, filters);
  }

  /** Reads a range as a whole, or by days: from the largest rollups that there are. */
  whole(range: Stretch, filters: DashboardFilters): RollupReader {
    return this.byIntervals({ ...range, intervalSeconds: DAY_S }, filters);
  }
}

/**
 * Reads a range from rollups where they are up to date, and from the tables elsewhere. Statements are written over a
 * `slice`, which is both.
 */
export class RollupReader {
  constructor(
    private readonly client: PoolClient,
    private readonly cover: RollupCover,
    readonly intervalSeconds: number,
    private readonly filters: DashboardFilters,
  ) {}

  /** @param statement continues `with slice as (…)`; the slices have the columns of `request_rollups` */
  async requests<R extends QueryResultRow>(
    level: RequestLevel,
    statement: (parameters: Parameters) => string,
  ): Promise<R[]> {
    const parameters = new Parameters();
    const columns = `starts_at, service_name, method, route, ${REQUEST_COLUMNS}`;
    const conditions = (): string[] => this.#levelConditions(level, parameters);
    const rolledUp = this.#rolledUp('request_rollups', columns, conditions, parameters);
    const raw = this.#counted((stretches) => {
      const where = requestConditions(this.filters, parameters);
      const seconds = this.intervalSeconds;
      return requestSlicesSql({ stretches, seconds, groups: RAW_GROUPS[level], ...whereAll(where) }, parameters);
    });
    return await this.#run([...rolledUp, ...raw], statement, parameters);
  }

  /** @param statement continues `with slice as (…)`; the slices have the columns of `user_rollups` */
  async users<R extends QueryResultRow>(
    conditions: (parameters: Parameters) => readonly string[],
    statement: (parameters: Parameters) => string,
  ): Promise<R[]> {
    const parameters = new Parameters();
    const where = (): string[] => [
      ...equals('event_type', this.filters.eventType, parameters),
      ...conditions(parameters),
    ];
    const columns = 'starts_at, event_type, feature, events, users';
    const rolledUp = this.#rolledUp('user_rollups', columns, where, parameters);
    const raw = this.#counted((stretches) =>
      userSlicesSql({ stretches, seconds: this.intervalSeconds, ...whereAll(where()) }, parameters),
    );
    return await this.#run([...rolledUp, ...raw], statement, parameters);
  }

  /** @param statement continues `with slice as (…)`; the slices have the columns of `measurement_rollups` */
  async measurements<R extends QueryResultRow>(
    metrics: readonly string[] | 'all',
    statement: (parameters: Parameters) => string,
  ): Promise<R[]> {
    const parameters = new Parameters();
    const where = (): string[] => [
      ...(metrics === 'all' ? [] : [`metric_name = any (${parameters.add(metrics)})`]),
      ...equals('service_name', this.filters.service, parameters),
    ];
    const columns = 'starts_at, service_name, metric_name, measurements, total, last_at';
    const rolledUp = this.#rolledUp('measurement_rollups', columns, where, parameters);
    const raw = this.#counted((stretches) =>
      measurementSlicesSql({ stretches, seconds: this.intervalSeconds, ...whereAll(where()) }, parameters),
    );
    return await this.#run([...rolledUp, ...raw], statement, parameters);
  }

  async #run<R extends QueryResultRow>(
    parts: readonly string[],
    statement: (parameters: Parameters) => string,
    parameters: Parameters,
  ): Promise<R[]> {
    // No event was ever seen in the range.
    if (parts.length === 0) return [];
    const text = `with slice as (${parts.join(' union all ')}) ${statement(parameters)}`;
    const { rows } = await this.client.query<R>(text, parameters.values);
    return rows;
  }

  #rolledUp(table: string, columns: string, conditions: () => readonly string[], parameters: Parameters): string[] {
    return Object.entries(this.cover.rollups)
      .filter(([, starts]) => starts.length > 0)
      .map(([seconds, starts]) => {
        const times = parameters.add(timesText(starts));
        const where = [`seconds = ${seconds}`, `starts_at = any (${times}::timestamptz[])`, ...conditions()];
        return `select ${columns} from ${table} where ${where.join(' and ')}`;
      });
  }

  #counted(statement: (stretches: readonly Stretch[]) => string): string[] {
    const { stretches } = this.cover;
    return stretches.length === 0 ? [] : [statement(stretches)];
  }

  /** A filter by service or route needs the rows of that level: those of the platform are of everything. */
  #levelConditions(level: RequestLevel, parameters: Parameters): string[] {
    const { service, endpoint } = this.filters;
    const conditions = requestConditions(this.filters, parameters);
    if (level === 'endpoint' || endpoint !== undefined) return ['route is not null', ...conditions];
    if (level === 'service' || service !== undefined) {
      return ['service_name is not null', 'route is null', ...conditions];
    }
    return ['service_name is null'];
  }
}

function whereAll(conditions: readonly string[]): { readonly where?: string } {
  return conditions.length === 0 ? {} : { where: conditions.join(' and ') };
}
