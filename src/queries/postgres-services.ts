import type { PoolClient } from 'pg';
import { OTHER } from '../store/summary-schema.js';
import type { ServiceCounts } from './aggregates.js';
import { LATENCY_STARTS_US, latencyBucketSql, REQUEST_SUMS, type RequestRow, sumRequests } from './postgres-rows.js';

/** Requests and measurements of every service that was ever seen, by name. */
export async function readServiceCounts(
  client: PoolClient,
  fromS: number,
  gaugesFromS: number,
): Promise<readonly ServiceCounts[]> {
  const seen = await readLastSeen(client);
  const requests = await readRequests(client, fromS);
  const gauges = await readGauges(client, gaugesFromS);
  return [...seen]
    .map(([serviceName, lastSeenMs]) => ({
      serviceName,
      lastSeenMs,
      gauges: gauges.get(serviceName) ?? new Map<string, number>(),
      ...sumRequests(requests.get(serviceName) ?? []),
    }))
    .sort((a, b) => (a.serviceName < b.serviceName ? -1 : 1));
}

async function readLastSeen(client: PoolClient): Promise<Map<string, number>> {
  const { rows } = await client.query<{ service: string; last_seen_ms: string }>(
    `select coalesce(known.key, $1) as service,
       (extract(epoch from max(seen.last_seen_at)) * 1000)::bigint as last_seen_ms
     from (
       select service_name, max(timestamp) as last_seen_at from api_metrics group by service_name
       union all
       select service_name, max(timestamp) from system_metrics group by service_name
     ) as seen
     left join known_series as known on known.kind = 'service' and known.key = seen.service_name
     group by coalesce(known.key, $1)`,
    [OTHER],
  );
  return new Map(rows.map(({ service, last_seen_ms: timeMs }) => [service, Number(timeMs)]));
}

async function readRequests(client: PoolClient, fromS: number): Promise<Map<string, RequestRow[]>> {
  const { rows } = await client.query<RequestRow & { readonly service: string }>(
    `select coalesce(known.key, $2) as service, ${latencyBucketSql('$3')} as bucket,
       ${REQUEST_SUMS}
     from api_metrics
     left join known_series as known on known.kind = 'service' and known.key = service_name
     where timestamp >= $1
     group by coalesce(known.key, $2), bucket`,
    [new Date(fromS * 1000), OTHER, LATENCY_STARTS_US],
  );
  return Map.groupBy(rows, ({ service }) => service);
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
