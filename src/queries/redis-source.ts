import type { ChainableCommander, Redis } from 'ioredis';
import {
  BUSINESS_COUNTS,
  CURRENT_KEY,
  DAY_S,
  DURATION_SUM_US,
  EVENT_TYPES,
  FIELD_PREFIXES,
  FIELDS,
  generationPrefix,
  HISTOGRAM_BOUNDS_S,
  HOUR_S,
  MINUTE_S,
  PART,
  USER_SETS,
} from '../store/summary-schema.js';
import type {
  ActiveUsers,
  CountsSource,
  HttpSeries,
  PlatformCounters,
  RequestCounts,
  ServiceCounts,
  WindowCounts,
} from './aggregates.js';
import { calendarStarts } from './windows.js';

/** Field → count of one or of many buckets. */
export type Counts = ReadonlyMap<string, number>;

/** Raised where Redis holds no summaries: it was emptied, or nothing was ever projected. */
export class SummariesMissing extends Error {}

/** Buckets are dated up to this far ahead: publishers' clocks differ. */
const AHEAD_S = 600;
const MAX_FEATURES = 50;

/** Reads the summaries that src/projections keeps in Redis. */
export class RedisSource implements CountsSource {
  readonly name = 'redis';

  /**
   * @param cache whole buckets by key, for the one process that is told when a bucket changes; others read each time
   */
  constructor(
    private readonly redis: Redis,
    private readonly cache: Map<string, Counts> | undefined = undefined,
  ) {}

  async windowCounts(fromS: number, nowMs: number): Promise<WindowCounts> {
    const prefix = await this.#prefix();
    const counts = merge(await this.#buckets(coveringBuckets(fromS, nowMs).map((key) => prefix + key)));
    const features = byPrefix(counts, FIELD_PREFIXES.feature)
      .sort(([a, usesA], [b, usesB]) => usesB - usesA || (a < b ? -1 : 1))
      .slice(0, MAX_FEATURES);
    const sets = [USER_SETS.login, USER_SETS.patient, ...features.map(([name]) => `${USER_SETS.featurePrefix}${name}`)];
    const [loginUsers = 0, patientUsers = 0, ...featureUsers] = await this.#distinctUsers(prefix, sets, fromS);
    const of = (field: string): number => counts.get(field) ?? 0;
    return {
      ...requestCounts(counts),
      statusCodes: new Map(byPrefix(counts, FIELD_PREFIXES.status).map(([code, count]) => [Number(code), count])),
      registrations: of(FIELD_PREFIXES.event + EVENT_TYPES.registered),
      logins: of(FIELD_PREFIXES.event + EVENT_TYPES.login),
      appointmentsCreated: of(FIELD_PREFIXES.business + BUSINESS_COUNTS.appointmentsCreated),
      notificationsSent: of(FIELD_PREFIXES.business + BUSINESS_COUNTS.notificationsSent),
      deviceRegistrations: of(FIELD_PREFIXES.business + BUSINESS_COUNTS.deviceRegistrations),
      patientEvents: of(FIELD_PREFIXES.business + BUSINESS_COUNTS.patientEvents),
      loginUsers,
      patientUsers,
      features: features.map(([feature, uses], index) => ({ feature, uses, users: featureUsers[index] ?? 0 })),
    };
  }

  async activeUsers(nowMs: number): Promise<ActiveUsers> {
    const prefix = await this.#prefix();
    const { dailyS, weeklyS, monthlyS } = calendarStarts(nowMs);
    const starts = [dailyS, weeklyS, monthlyS];
    const pipeline = this.redis.pipeline();
    for (const start of starts) pipeline.zcount(`${prefix}u:${USER_SETS.login}`, start * 1000, '+inf');
    const [daily = 0, weekly = 0, monthly = 0] = (await run(pipeline)).map(Number);
    return { daily, weekly, monthly };
  }

  async serviceCounts(fromS: number, nowMs: number): Promise<readonly ServiceCounts[]> {
    const prefix = await this.#prefix();
    const keys: string[] = [];
    for (let second = fromS; second * 1000 <= nowMs + AHEAD_S * 1000; second += MINUTE_S)
      keys.push(`${prefix}s:${second}`);
    const [counts, seen, gauges] = await Promise.all([
      this.#buckets(keys).then(merge),
      this.redis.hgetall(`${prefix}seen`),
      this.redis.hgetall(`${prefix}gauges`),
    ]);
    const byService = groupByFirstPart(counts);
    const latest = gaugesByService(gauges);
    return Object.entries(seen)
      .map(([serviceName, time]) => ({
        serviceName,
        lastSeenMs: Number(time),
        gauges: latest.get(serviceName) ?? new Map<string, number>(),
        ...requestCounts(byService.get(serviceName) ?? new Map<string, number>()),
      }))
      .sort((a, b) => (a.serviceName < b.serviceName ? -1 : 1));
  }

  async platformCounters(nowMs: number): Promise<PlatformCounters> {
    const prefix = await this.#prefix();
    const [http, durations, events, gauges, activeUsers] = await Promise.all([
      this.redis.hgetall(`${prefix}http`),
      this.redis.hgetall(`${prefix}duration`),
      this.redis.hgetall(`${prefix}events`),
      this.redis.hgetall(`${prefix}gauges`),
      this.activeUsers(nowMs),
    ]);
    return {
      requests: Object.entries(http).map(([field, count]) => {
        const { series, rest } = splitSeries(field);
        return { ...series, status: Number(rest), count: Number(count) };
      }),
      durations: readDurations(durations),
      events: Object.entries(events).map(([eventType, count]) => ({ eventType, count: Number(count) })),
      activeUsers,
      gauges: Object.entries(gauges).map(([field, text]) => {
        const [service = '', metric = ''] = field.split(PART);
        return { service, metric, value: gaugeValue(text) };
      }),
    };
  }

  async #prefix(): Promise<string> {
    const generation = await this.redis.get(CURRENT_KEY);
    if (generation === null) throw new SummariesMissing('Redis holds no summaries');
    return generationPrefix(generation);
  }

  async #buckets(keys: readonly string[]): Promise<readonly Counts[]> {
    const { cache } = this;
    const missing = keys.filter((key) => cache?.has(key) !== true);
    const pipeline = this.redis.pipeline();
    for (const key of missing) pipeline.hgetall(key);
    const replies = missing.length === 0 ? [] : await run(pipeline);
    const read = new Map(missing.map((key, index) => [key, toCounts(replies[index])]));
    if (cache !== undefined) for (const [key, counts] of read) cache.set(key, counts);
    return keys.map((key) => read.get(key) ?? cache?.get(key) ?? new Map<string, number>());
  }

  async #distinctUsers(prefix: string, sets: readonly string[], fromS: number): Promise<number[]> {
    const pipeline = this.redis.pipeline();
    for (const set of sets) pipeline.zcount(`${prefix}u:${set}`, fromS * 1000, '+inf');
    return (await run(pipeline)).map(Number);
  }
}

/**
 * The fewest buckets that hold all from `fromS` on: minutes up to the next hour, hours up to the next day, then whole
 * days, the running one included.
 */
export function coveringBuckets(fromS: number, nowMs: number): string[] {
  const keys: string[] = [];
  const endS = nowMs / 1000 + AHEAD_S;
  let second = fromS;
  for (; second % HOUR_S !== 0 && second <= endS; second += MINUTE_S) keys.push(`m:${second}`);
  for (; second % DAY_S !== 0 && second <= endS; second += HOUR_S) keys.push(`h:${second}`);
  for (; second <= endS; second += DAY_S) keys.push(`d:${second}`);
  return keys;
}

/** The keys, without prefix, of the buckets that an event of this minute changes. */
export function bucketsOfMinute(minuteS: number): string[] {
  return [`m:${minuteS}`, `h:${minuteS - (minuteS % HOUR_S)}`, `d:${minuteS - (minuteS % DAY_S)}`, `s:${minuteS}`];
}

async function run(pipeline: ChainableCommander): Promise<unknown[]> {
  const replies = await pipeline.exec();
  return (replies ?? []).map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
}

function toCounts(reply: unknown): Counts {
  return new Map(Object.entries(reply ?? {}).map(([field, count]) => [field, Number(count)]));
}

function merge(buckets: readonly Counts[]): Map<string, number> {
  const merged = new Map<string, number>();
  for (const bucket of buckets)
    for (const [field, count] of bucket) merged.set(field, (merged.get(field) ?? 0) + count);
  return merged;
}

function byPrefix(counts: Counts, prefix: string): [string, number][] {
  return [...counts].flatMap(([field, count]) =>
    field.startsWith(prefix) ? [[field.slice(prefix.length), count] satisfies [string, number]] : [],
  );
}

function requestCounts(counts: Counts): RequestCounts {
  const of = (field: string): number => counts.get(field) ?? 0;
  return {
    requests: of(FIELDS.requests),
    errors: of(FIELDS.errors),
    timedRequests: of(FIELDS.timedRequests),
    responseTimeUs: of(FIELDS.responseTimeUs),
    requestBytes: of(FIELDS.requestBytes),
    responseBytes: of(FIELDS.responseBytes),
    latency: new Map(byPrefix(counts, FIELD_PREFIXES.latency).map(([bucket, count]) => [Number(bucket), count])),
  };
}

function groupByFirstPart(counts: Counts): Map<string, Map<string, number>> {
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

function gaugesByService(gauges: Readonly<Record<string, string>>): Map<string, Map<string, number>> {
  return groupByFirstPart(new Map(Object.entries(gauges).map(([field, text]) => [field, gaugeValue(text)])));
}

/** A gauge is stored as `<time ms> <sequence> <value>`. */
function gaugeValue(text: string): number {
  return Number(text.slice(text.lastIndexOf(' ') + 1));
}

function splitSeries(field: string): { series: HttpSeries; rest: string } {
  const [service = '', method = '', endpoint = '', rest = ''] = field.split(PART);
  return { series: { service, method, endpoint }, rest };
}

function readDurations(fields: Readonly<Record<string, string>>): PlatformCounters['durations'] {
  const found = new Map<string, HttpSeries & { buckets: number[]; sumUs: number }>();
  for (const [field, count] of Object.entries(fields)) {
    const { series, rest } = splitSeries(field);
    const key = field.slice(0, field.lastIndexOf(PART));
    const entry = found.get(key) ?? {
      ...series,
      sumUs: 0,
      buckets: new Array<number>(HISTOGRAM_BOUNDS_S.length + 1).fill(0),
    };
    if (rest === DURATION_SUM_US) entry.sumUs = Number(count);
    else entry.buckets[Number(rest)] = Number(count);
    found.set(key, entry);
  }
  return [...found.values()];
}
