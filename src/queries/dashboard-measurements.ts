import { intervalSql } from '../store/rollups.js';
import type { DashboardSeries } from './dashboard.js';
import type { DashboardAxis, SplitSeries } from './dashboard-axis.js';
import type { RollupReader } from './rollup-reader.js';

const METRICS = ['cpu_usage', 'memory_usage', 'db_pool_active', 'db_pool_max'] as const;

/** Services that get a series; those with the most measurements. */
const MAX_SERVICES = 20;

type MeasurementRow = Readonly<Record<(typeof METRICS)[number], number | null>> & {
  readonly service_name: string;
  readonly interval: number;
};

/** Mean of what each service measured of itself in each interval. */
export async function readMeasurementSeries(
  reader: RollupReader,
  axis: DashboardAxis,
): Promise<Pick<DashboardSeries, 'cpu_usage' | 'memory_usage' | 'db_pool_usage'>> {
  const mean = (metric: string): string =>
    `sum(total) filter (where metric_name = '${metric}')::float8
          / sum(measurements) filter (where metric_name = '${metric}')::float8 as ${metric}`;
  const rows = await reader.measurements<MeasurementRow>(
    METRICS,
    (parameters) => `, measured as (
        select service_name, ${intervalSql(parameters.add(reader.intervalSeconds))} as interval,
          ${METRICS.map(mean).join(', ')}, sum(measurements) as measurements
        from slice
        group by 1, 2
      ),
      top as (
        select service_name
        from measured
        group by service_name
        order by sum(measurements) desc, service_name collate "C"
        limit ${parameters.add(MAX_SERVICES)}
      )
      select service_name, interval, ${METRICS.join(', ')}
      from measured
      join top using (service_name)`,
  );
  const split = (value: (row: MeasurementRow) => number | null): SplitSeries => {
    const byService = new Map<string, Map<number, number>>();
    for (const row of rows) {
      const measured = value(row);
      if (measured === null) continue;
      const values = byService.get(row.service_name) ?? new Map<number, number>();
      byService.set(row.service_name, values.set(axis.placeOf(row.interval), measured));
    }
    return axis.split(byService, null);
  };
  return {
    cpu_usage: split((row) => row.cpu_usage),
    memory_usage: split((row) => row.memory_usage),
    db_pool_usage: split(({ db_pool_active: active, db_pool_max: max }) =>
      active === null || max === null || max === 0 ? null : active / max,
    ),
  };
}
