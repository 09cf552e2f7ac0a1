import type { PoolClient } from 'pg';
import { readCheckpoint, TABLES_PROJECTION } from '../store/checkpoints.js';
import { ALL_TABLES, addCounters, countInTables, keepDays, readCounterBase } from '../store/counters.js';
import type { PlatformCounters } from './aggregates.js';
import { seriesOf } from './platform-counters.js';
import { readActiveUsersNow } from './postgres-windows.js';

/**
 * Counters since the beginning: over everything that the tables hold, and what the days contributed that were dropped.
 *
 * @param gaugesFromS the latest measurement of a series counts from here on
 */
export async function readPlatformCounters(
  client: PoolClient,
  nowMs: number,
  gaugesFromS: number,
): Promise<PlatformCounters> {
  await keepDays(client);
  const checkpoint = await readCheckpoint(client, TABLES_PROJECTION);
  const counters = await readCounterBase(client);
  addCounters(counters, await countInTables(client, ALL_TABLES));
  return {
    sequence: checkpoint?.sequence ?? 0,
    ...seriesOf(counters),
    activeUsers: await readActiveUsersNow(client, nowMs),
    gauges: await readGauges(client, gaugesFromS),
  };
}

async function readGauges(client: PoolClient, fromS: number): Promise<PlatformCounters['gauges']> {
  const { rows } = await client.query<{ service: string; metric: string; value: string }>(
    `select distinct on (service_name, metric_name) service_name as service, metric_name as metric, value
     from system_metrics
     where timestamp >= to_timestamp($1) and exists (
       select from known_series
       where kind = 'gauge' and key = service_name || e'\\t' || metric_name
     )
     order by service_name, metric_name, timestamp desc, stream_seq desc`,
    [fromS],
  );
  return rows.map(({ service, metric, value }) => ({ service, metric, value: Number(value) }));
}
