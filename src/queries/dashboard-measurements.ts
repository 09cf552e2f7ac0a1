import type { PoolClient } from 'pg';
import { type DashboardSeries, gapFree, type SplitSeries } from './dashboard.js';
import { INTERVAL_SQL, rangeValues, startsAtSql } from './dashboard-intervals.js';
import type { DashboardRange } from './dashboard-range.js';

const METRICS = ['cpu_usage', 'memory_usage'] as const;
/** Services that get a series; those with the most measurements. */
const MAX_SERVICES = 20;

interface MeasurementRow {
  readonly metric_name: string;
  readonly service_name: string;
  readonly interval: number;
  readonly mean: string;
}

/** Mean of what each service measured of itself in each interval. */
export async function readMeasurementSeries(
  client: PoolClient,
  range: DashboardRange,
  starts: readonly string[],
): Promise<Pick<DashboardSeries, (typeof METRICS)[number]>> {
  const { rows } = await client.query<MeasurementRow>(
    `with measured as (
       select metric_name, service_name, ${startsAtSql('timestamp')} as starts_at, avg(value) as mean,
         count(*) as measurements
       from system_metrics
       where metric_name = any ($4) and timestamp >= $1 and timestamp < $2
       group by metric_name, service_name, starts_at
     ),
     top as (
       select service_name
       from measured
       group by service_name
       order by sum(measurements) desc, service_name collate "C"
       limit $5
     )
     select metric_name, service_name, ${INTERVAL_SQL} as interval, mean
     from measured
     join top using (service_name)`,
    [...rangeValues(range), METRICS, MAX_SERVICES],
  );
  const [cpu, memory] = METRICS.map((metric) =>
    split(
      rows.filter((row) => row.metric_name === metric),
      starts,
    ),
  );
  return { cpu_usage: cpu ?? {}, memory_usage: memory ?? {} };
}

function split(rows: readonly MeasurementRow[], starts: readonly string[]): SplitSeries {
  const services = [...Map.groupBy(rows, ({ service_name: service }) => service)];
  return Object.fromEntries(
    services
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([service, ofService]) => [
        service,
        gapFree(starts, new Map(ofService.map(({ interval, mean }) => [interval, Number(mean)])), null),
      ]),
  );
}
