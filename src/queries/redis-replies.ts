import type { ChainableCommander } from 'ioredis';
import { FIELD_PREFIXES, FIELDS, PART } from '../store/summary-schema.js';
import type { LatencyCounts, RequestCounts } from './aggregates.js';

/** Field → count of one or of many buckets. */
export type Counts = ReadonlyMap<string, number>;

/** A measurement and when it was taken. */
interface Gauge {
  readonly timeMs: number;
  readonly value: number;
}

/** Runs all commands of a pipeline. @throws the first failure */
export async function run(pipeline: ChainableCommander): Promise<unknown[]> {
  const replies = await pipeline.exec();
  return (replies ?? []).map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
}

/** Fields and counts in turn, as Redis sends a hash and the script that adds hashes up. */
export function toCounts(reply: unknown): Map<string, number> {
  const counts = new Map<string, number>();
  if (!Array.isArray(reply)) return counts;
  for (let at = 0; at < reply.length; at += 2) counts.set(String(reply[at]), Number(reply[at + 1]));
  return counts;
}

/** A whole hash, as `HGETALL` gives it. */
export function hashEntries(reply: unknown): [field: string, text: string][] {
  if (typeof reply !== 'object' || reply === null) return [];
  return Object.entries(reply).map(([field, text]) => [field, String(text)]);
}

export function byPrefix(counts: Counts, prefix: string): [string, number][] {
  return [...counts].flatMap(([field, count]) =>
    field.startsWith(prefix) ? [[field.slice(prefix.length), count] satisfies [string, number]] : [],
  );
}

export function latencyCounts(counts: Counts): LatencyCounts {
  const of = (field: string): number => counts.get(field) ?? 0;
  return {
    requests: of(FIELDS.requests),
    errors: of(FIELDS.errors),
    timedRequests: of(FIELDS.timedRequests),
    responseTimeUs: of(FIELDS.responseTimeUs),
    maxResponseTimeUs: of(FIELDS.maxResponseTimeUs),
    latency: numbered(counts, FIELD_PREFIXES.latency),
  };
}

export function requestCounts(counts: Counts): RequestCounts {
  return {
    ...latencyCounts(counts),
    requestBytes: counts.get(FIELDS.requestBytes) ?? 0,
    responseBytes: counts.get(FIELDS.responseBytes) ?? 0,
    requestSizes: numbered(counts, FIELD_PREFIXES.requestSize),
    responseSizes: numbered(counts, FIELD_PREFIXES.responseSize),
    statusCodes: numbered(counts, FIELD_PREFIXES.status),
  };
}

function numbered(counts: Counts, prefix: string): Map<number, number> {
  return new Map(byPrefix(counts, prefix).map(([number, count]) => [Number(number), count]));
}

export function groupByFirstPart(counts: Counts): Map<string, Map<string, number>> {
  const groups = new Map<string, Map<string, number>>();
  for (const [field, count] of counts) {
    const at = field.indexOf(PART);
    const name = field.slice(0, at);
    const group = groups.get(name) ?? new Map<string, number>();
    group.set(field.slice(at + 1), count);
    groups.set(name, group);
  }
  return groups;
}

/** Service → metric → its latest measurement, where that is not older than `fromS`. */
export function gaugesByService(
  gauges: Readonly<Record<string, string>>,
  fromS: number,
): Map<string, Map<string, number>> {
  const recent = Object.entries(gauges).flatMap(([field, text]) => {
    const { timeMs, value } = parseGauge(text);
    return timeMs >= fromS * 1000 ? [[field, value] as const] : [];
  });
  return groupByFirstPart(new Map(recent));
}

/** A gauge is stored as `<time ms> <sequence> <value>`. */
export function parseGauge(text: string): Gauge {
  return { timeMs: Number(text.slice(0, text.indexOf(' '))), value: Number(text.slice(text.lastIndexOf(' ') + 1)) };
}
