import { intervalSql } from '../store/rollups.js';
import type { DashboardSeries } from './dashboard.js';
import type { DashboardAxis } from './dashboard-axis.js';
import { DecimalSum } from './decimal-sum.js';
import type { RollupReader } from './rollup-reader.js';

const METRICS = ['cpu_usage', 'memory_usage', 'db_pool_active', 'db_pool_max'] as const;

/** Services that get a series; those with the most measurements. */
const MAX_SERVICES = 20;

type Metric = (typeof METRICS)[number];

/** All that one service measured of one thing. */
interface MeasurementRow {
  readonly service_name: string;
  readonly metric_name: Metric;
  /** `interval:total:measurements,…`, several of an interval maybe. */
  readonly slices: string;
}

/** Mean of what each service measured of itself in each interval. */
export async function readMeasurementSeries(
  reader: RollupReader,
  axis: DashboardAxis,
): Promise<Pick<DashboardSeries, 'cpu_usage' | 'memory_usage' | 'db_pool_usage'>> {
  // Not added up by interval in Postgres, where ten thousand sums of numerics cost ten times what reading their rows does.
  const rows = await reader.measurements<MeasurementRow>(
    METRICS,
    (parameters) => `, measured as (
        select service_name, metric_name, ${intervalSql(parameters.add(reader.intervalSeconds))} as interval,
          total, measurements
        from slice
      ),
      top as (
        select service_name
        from measured
        group by service_name
        order by sum(measurements) desc, service_name collate "C"
        limit ${parameters.add(MAX_SERVICES)}
      )
      select service_name, metric_name, string_agg(interval || ':' || total || ':' || measurements, ',') as slices
      from measured
      join top using (service_name)
      group by 1, 2`,
  );
  const of = (metric: Metric): Map<string, Map<number, number>> =>
    new Map(
      rows
        .filter((row) => row.metric_name === metric)
        .map(({ service_name: service, slices }) => [service, meansOf(slices, axis)]),
    );
  return {
    cpu_usage: axis.split(of('cpu_usage'), null),
    memory_usage: axis.split(of('memory_usage'), null),
    db_pool_usage: axis.split(usageOf(of('db_pool_active'), of('db_pool_max')), null),
  };
}

/** Place of the interval → mean. */
function meansOf(slices: string, axis: DashboardAxis): Map<number, number> {
  const sums = new Map<number, { totals: string[]; measurements: number }>();
  for (const slice of slices.split(',')) {
    const [interval, total = '0', measurements] = slice.split(':');
    const place = axis.placeOf(Number(interval));
    const sum = sums.get(place) ?? { totals: [], measurements: 0 };
    sum.totals.push(total);
    sum.measurements += Number(measurements);
    sums.set(place, sum);
  }
  return new Map([...sums].map(([place, { totals, measurements }]) => [place, sumOf(totals) / measurements]));
}

/** As a rule there is one for an interval. */
function sumOf(totals: readonly string[]): number {
  const [first = '0', second] = totals;
  if (second === undefined) return Number(first);
  const sum = new DecimalSum();
  for (const total of totals) sum.add(total);
  return sum.value;
}

/** Of services and intervals in which both were measured, and there is anything to use. */
function usageOf(
  active: ReadonlyMap<string, ReadonlyMap<number, number>>,
  max: ReadonlyMap<string, ReadonlyMap<number, number>>,
): Map<string, Map<number, number>> {
  const usage = new Map<string, Map<number, number>>();
  for (const [service, ofService] of active) {
    const values = new Map<number, number>();
    for (const [place, used] of ofService) {
      const most = max.get(service)?.get(place) ?? 0;
      if (most !== 0) values.set(place, used / most);
    }
    if (values.size > 0) usage.set(service, values);
  }
  return usage;
}
