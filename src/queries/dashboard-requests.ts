import { intervalSql, type Parameters, REQUEST_COLUMNS, REQUEST_TOTALS } from '../store/rollups.js';
import type { RequestCounts } from './aggregates.js';
import type { DashboardSeries, TopEndpoint, TopService } from './dashboard.js';
import type { DashboardAxis, Series } from './dashboard-axis.js';
import { type RequestSlice, RequestSums } from './request-sums.js';
import type { RollupReader } from './rollup-reader.js';
import { apiNumbers, ratio, responsePercentilesMs } from './summary.js';

const TOP_ENDPOINTS = 20;
const TOP_SERVICES = 20;

type RequestSeries = Pick<
  DashboardSeries,
  | 'requests'
  | 'errors'
  | 'request_rate'
  | 'error_rate'
  | 'avg_response_time'
  | 'p50'
  | 'p95'
  | 'p99'
  | 'max'
  | 'request_bytes'
  | 'response_bytes'
>;

/** All requests of the range. */
export async function readRequestCounts(reader: RollupReader): Promise<RequestCounts> {
  return RequestSums.of(await reader.requests<RequestSlice>('platform', () => `select ${REQUEST_TOTALS} from slice`));
}

/** Requests of each interval, and of all of them. */
export async function readRequestSeries(
  reader: RollupReader,
  axis: DashboardAxis,
  nowMs: number,
): Promise<{ readonly counts: RequestCounts; readonly series: RequestSeries }> {
  const slices = await reader.requests<RequestSlice & { readonly interval: number }>(
    'platform',
    (parameters) =>
      `select ${intervalSql(parameters.add(reader.intervalSeconds))} as interval, ${REQUEST_COLUMNS} from slice`,
  );
  const byPlace = new Map<number, RequestSums>();
  const counts = new RequestSums();
  for (const slice of slices) {
    const place = axis.placeOf(slice.interval);
    const sums = byPlace.get(place) ?? new RequestSums();
    sums.addTimes(slice);
    counts.addRest(slice);
    byPlace.set(place, sums);
  }
  const percentiles = new Map(
    [...byPlace.values()].map((sums) => [sums, responsePercentilesMs(sums, [0.5, 0.95, 0.99])]),
  );
  const percentile = (sums: RequestSums, index: number): number | null => percentiles.get(sums)?.[index] ?? null;
  const series = (value: (sums: RequestSums, place: number) => number | null, empty: 0 | null): Series =>
    axis.series(new Map([...byPlace].map(([place, sums]) => [place, value(sums, place)])), empty);
  for (const sums of byPlace.values()) counts.mergeTimes(sums);
  return {
    counts,
    series: {
      requests: series(({ requests }) => requests, 0),
      errors: series(({ errors }) => errors, 0),
      request_rate: series(({ requests }, place) => requests / axis.passedSeconds(place, nowMs), 0),
      error_rate: series(({ errors, requests }) => ratio(errors, requests), null),
      avg_response_time: series(averageMs, null),
      p50: series((sums) => percentile(sums, 0), null),
      p95: series((sums) => percentile(sums, 1), null),
      p99: series((sums) => percentile(sums, 2), null),
      max: series((sums) => (sums.timedRequests === 0 ? null : sums.maxResponseTimeUs / 1000), null),
      request_bytes: series(({ requestBytes }) => requestBytes, 0),
      response_bytes: series(({ responseBytes }) => responseBytes, 0),
    },
  };
}

function averageMs({ responseTimeUs, timedRequests }: RequestSums): number | null {
  const averageUs = ratio(responseTimeUs, timedRequests);
  return averageUs === null ? null : averageUs / 1000;
}

/** The services with the most requests. */
export async function readTopServices(reader: RollupReader): Promise<TopService[]> {
  const top = await readTop(reader, ['service_name'], TOP_SERVICES);
  return top.map(([[service_name = ''], counts]) => ({ service_name, ...apiNumbers(counts) }));
}

/** The endpoints with the most requests. */
export async function readTopEndpoints(reader: RollupReader): Promise<TopEndpoint[]> {
  const top = await readTop(reader, ['service_name', 'method', 'route'], TOP_ENDPOINTS);
  return top.map(([[service_name = '', method = '', endpoint = ''], counts]) => ({
    service_name,
    method,
    endpoint,
    ...apiNumbers(counts),
  }));
}

type Key = 'service_name' | 'method' | 'route';
type Keys = Readonly<Record<Key, string>>;

/** First who is on top, then all about them: of the others nothing but their requests is read. */
async function readTop(
  reader: RollupReader,
  keys: readonly Key[],
  limit: number,
): Promise<(readonly [key: readonly string[], counts: RequestCounts])[]> {
  const level = keys.length === 1 ? 'service' : 'endpoint';
  const names = keys.join(', ');
  const top = await reader.requests<Keys>(
    level,
    (parameters) => `select ${names} from slice group by ${names}
      order by sum(requests) desc, ${keys.map((key) => `${key} collate "C"`).join(', ')}
      limit ${parameters.add(limit)}`,
  );
  const slices = await reader.requests<RequestSlice & Keys>(
    level,
    (parameters) => `select ${names}, ${REQUEST_TOTALS}
      from slice
      join ${listedSql(keys, top, parameters)} using (${names})
      group by ${names}`,
  );
  const nameOf = (row: Keys): string => keys.map((key) => row[key]).join('\t');
  const byName = new Map(slices.map((slice) => [nameOf(slice), slice]));
  return top.flatMap((row) => {
    const slice = byName.get(nameOf(row));
    return slice === undefined ? [] : [[keys.map((key) => row[key]), RequestSums.of([slice])] as const];
  });
}

function listedSql(keys: readonly Key[], rows: readonly Keys[], parameters: Parameters): string {
  const columns = keys.map((key) => `${parameters.add(rows.map((row) => row[key]))}::text[]`);
  return `unnest(${columns.join(', ')}) as listed (${keys.join(', ')})`;
}
