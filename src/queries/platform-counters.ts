import type { Counters } from '../store/counters.js';
import { DURATION_SUM_US, HISTOGRAM_BOUNDS_S, PART } from '../store/summary-schema.js';
import type { HttpSeries, PlatformCounters } from './aggregates.js';

/** Counters by field, which both sources have, as series. */
export function seriesOf({
  http,
  duration,
  events,
}: Counters): Pick<PlatformCounters, 'requests' | 'durations' | 'events'> {
  return {
    requests: readRequests(http),
    durations: readDurations(duration),
    events: [...events].map(([eventType, count]) => ({ eventType, count })),
  };
}

function readRequests(fields: ReadonlyMap<string, number>): PlatformCounters['requests'] {
  const found = new Map<string, HttpSeries>();
  return [...fields].map(([field, count]) => {
    const [key, status] = splitLast(field);
    const series = found.get(key) ?? toSeries(key);
    found.set(key, series);
    const { service, method, endpoint } = series;
    return { service, method, endpoint, status, count };
  });
}

function readDurations(fields: ReadonlyMap<string, number>): PlatformCounters['durations'] {
  const found = new Map<string, HttpSeries & { buckets: number[]; sumUs: number }>();
  for (const [field, count] of fields) {
    const [key, bucket] = splitLast(field);
    let entry = found.get(key);
    if (entry === undefined) {
      entry = { ...toSeries(key), sumUs: 0, buckets: new Array<number>(HISTOGRAM_BOUNDS_S.length + 1).fill(0) };
      found.set(key, entry);
    }
    if (bucket === DURATION_SUM_US) entry.sumUs = count;
    else entry.buckets[Number(bucket)] = count;
  }
  return [...found.values()];
}

/** The series that a field is of, and what stands behind it. */
function splitLast(field: string): [key: string, last: string] {
  const at = field.lastIndexOf(PART);
  return [field.slice(0, at), field.slice(at + PART.length)];
}

function toSeries(key: string): HttpSeries {
  const [service = '', method = '', endpoint = ''] = key.split(PART);
  return { service, method, endpoint };
}
