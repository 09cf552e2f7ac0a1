import type { PoolClient } from 'pg';
import { REQUEST_TOTALS } from '../store/rollups.js';
import { OTHER } from '../store/summary-schema.js';
import type { ServiceCounts } from './aggregates.js';
import { AHEAD_MS } from './postgres-windows.js';
import { type RequestSlice, RequestSums } from './request-sums.js';
import { type RollupReader, RollupSnapshot } from './rollup-reader.js';

/** Requests from `fromS` on, measurements from `gaugesFromS` on, of every service that was seen since `seenFromS`. */
export async function readServiceCounts(
  client: PoolClient,
  fromS: number,
  gaugesFromS: number,
  nowMs: number,
  seenFromS: number,
): Promise<readonly ServiceCounts[]> {
  const everything = { fromMs: 0, toMs: nowMs + AHEAD_MS };
  const snapshot = await RollupSnapshot.open(client, everything, nowMs);
  const seen = await readLastSeen(snapshot.whole(everything, {}));
  const requests = await readRequests(snapshot.whole({ ...everything, fromMs: fromS * 1000 }, {}));
  const gauges = await readGauges(client, gaugesFromS);
  return [...seen]
    .filter(([, lastSeenMs]) => lastSeenMs >= seenFromS * 1000)
    .map(([serviceName, lastSeenMs]) => ({
      serviceName,
      lastSeenMs,
      gauges: gauges.get(serviceName) ?? new Map<string, number>(),
      ...latencyOf(requests.get(serviceName) ?? new RequestSums()),
    }))
    .sort((a, b) => (a.serviceName < b.serviceName ? -1 : 1));
}

/** Services beyond the limit are `other`, as in Redis. */
const LABELLED = `left join known_series as known on known.kind = 'service' and known.key = slice.service_name`;

async function readLastSeen(reader: RollupReader): Promise<Map<string, number>> {
  const statement = (other: string): string =>
    `select coalesce(known.key, ${other}) as service, max(last_at) as last_at from slice ${LABELLED} group by 1`;
  type SeenRow = { readonly service: string; readonly last_at: Date };
  const rows = [
    ...(await reader.requests<SeenRow>('service', (parameters) => statement(parameters.add(OTHER)))),
    ...(await reader.measurements<SeenRow>('all', (parameters) => statement(parameters.add(OTHER)))),
  ];
  const seen = new Map<string, number>();
  for (const { service, last_at: lastAt } of rows) {
    seen.set(service, Math.max(seen.get(service) ?? 0, lastAt.getTime()));
  }
  return seen;
}

async function readRequests(reader: RollupReader): Promise<Map<string, RequestSums>> {
  const slices = await reader.requests<RequestSlice & { readonly service: string }>(
    'service',
    (parameters) => `select coalesce(known.key, ${parameters.add(OTHER)}) as service, ${REQUEST_TOTALS}
      from slice ${LABELLED} group by 1`,
  );
  return new Map(slices.map(({ service, ...slice }) => [service, RequestSums.of([slice])]));
}

function latencyOf(sums: RequestSums) {
  const { requests, errors, timedRequests, responseTimeUs, maxResponseTimeUs, latency } = sums;
  return { requests, errors, timedRequests, responseTimeUs, maxResponseTimeUs, latency };
}

async function readGauges(client: PoolClient, fromS: number): Promise<Map<string, Map<string, number>>> {
  const { rows } = await client.query<{ service_name: string; metric_name: string; value: string }>(
    `select distinct on (service_name, metric_name) service_name, metric_name, value
     from system_metrics
     where timestamp >= $1 and exists (
       select from known_series
       where kind = 'gauge' and key = service_name || e'\\t' || metric_name
     )
     order by service_name, metric_name, timestamp desc, stream_seq desc`,
    [new Date(fromS * 1000)],
  );
  const gauges = new Map<string, Map<string, number>>();
  for (const { service_name: service, metric_name: metric, value } of rows) {
    const ofService = gauges.get(service) ?? new Map<string, number>();
    gauges.set(service, ofService.set(metric, Number(value)));
  }
  return gauges;
}
