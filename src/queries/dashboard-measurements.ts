import { startsAtSql } from '../store/rollups.js';
import type { DashboardSeries } from './dashboard.js';
import type { DashboardAxis, SplitSeries } from './dashboard-axis.js';
import type { RollupReader } from './rollup-reader.js';

/** Metrics that have a series for each service. */
export const MEASUREMENT_SERIES = [
  'cpu_usage',
  'memory_usage',
  'db_pool_active',
  'db_pool_idle',
  'db_pool_max',
] as const;
type Metric = (typeof MEASUREMENT_SERIES)[number];

/** Services that get a series; those with the most measurements. */
const MAX_SERVICES = 20;

interface MeasurementRow {
  readonly metric_name: string;
  readonly service_name: string;
  readonly starts_at: Date;
  readonly mean: string;
}

/** Mean of what each service measured of itself in each interval. */
export async function readMeasurementSeries(
  reader: RollupReader,
  axis: DashboardAxis,
  intervalSeconds: number,
): Promise<Pick<DashboardSeries, Metric>> {
  const rows = await reader.measurements<MeasurementRow>(
    MEASUREMENT_SERIES,
    (parameters) => `, measured as (
        select metric_name, service_name, ${startsAtSql('starts_at', parameters.add(intervalSeconds))} as starts_at,
          sum(total) / sum(measurements) as mean, sum(measurements) as measurements
        from slice
        group by 1, 2, 3
      ),
      top as (
        select service_name
        from measured
        group by service_name
        order by sum(measurements) desc, service_name collate "C"
        limit ${parameters.add(MAX_SERVICES)}
      )
      select metric_name, service_name, starts_at, mean
      from measured
      join top using (service_name)`,
  );
  const of = (metric: Metric): SplitSeries => {
    const byService = new Map<string, Map<number, number>>();
    for (const { metric_name: name, service_name: service, starts_at: startsAt, mean } of rows) {
      if (name !== metric) continue;
      const values = byService.get(service) ?? new Map<number, number>();
      byService.set(service, values.set(axis.intervalOf(startsAt), Number(mean)));
    }
    return axis.split(byService, null);
  };
  return {
    cpu_usage: of('cpu_usage'),
    memory_usage: of('memory_usage'),
    db_pool_active: of('db_pool_active'),
    db_pool_idle: of('db_pool_idle'),
    db_pool_max: of('db_pool_max'),
  };
}
