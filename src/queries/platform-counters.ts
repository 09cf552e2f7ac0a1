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
    requests: [...http].map(([field, count]) => {
      const { series, rest: status } = splitSeries(field);
      return { ...series, status, count };
    }),
    durations: readDurations(duration),
    events: [...events].map(([eventType, count]) => ({ eventType, count })),
  };
}

function splitSeries(field: string): { series: HttpSeries; rest: string } {
  const [service = '', method = '', endpoint = '', rest = ''] = field.split(PART);
  return { series: { service, method, endpoint }, rest };
}

function readDurations(fields: ReadonlyMap<string, number>): PlatformCounters['durations'] {
  const found = new Map<string, HttpSeries & { buckets: number[]; sumUs: number }>();
  for (const [field, count] of fields) {
    const { series, rest } = splitSeries(field);
    const key = field.slice(0, field.lastIndexOf(PART));
    const entry = found.get(key) ?? {
      ...series,
      sumUs: 0,
      buckets: new Array<number>(HISTOGRAM_BOUNDS_S.length + 1).fill(0),
    };
    if (rest === DURATION_SUM_US) entry.sumUs = count;
    else entry.buckets[Number(rest)] = count;
    found.set(key, entry);
  }
  return [...found.values()];
}
