import type { Pool, PoolClient } from 'pg';
import { SERIES_LIMITS, type SeriesKind, WELL_KNOWN_EVENT_TYPES } from '../store/summary-schema.js';
import { SeriesRegistry } from './series-registry.js';

/** Event types that have a series whether or not they came first. */
const ALWAYS_ADMITTED = WELL_KNOWN_EVENT_TYPES.map((key) => ({ kind: 'event_type' as const, key }));

/** Reads which names have a series of their own. */
export async function loadSeries(client: Pool | PoolClient): Promise<SeriesRegistry> {
  const { rows } = await client.query<{ kind: string; key: string }>('select kind, key from known_series');
  const admitted = rows.flatMap(({ kind, key }) => (isSeriesKind(kind) ? [{ kind, key }] : []));
  return new SeriesRegistry([...ALWAYS_ADMITTED, ...admitted]);
}

function isSeriesKind(kind: string): kind is SeriesKind {
  return Object.hasOwn(SERIES_LIMITS, kind);
}
