import type { Redis } from 'ioredis';
import { COUNTER_KINDS } from '../store/counters.js';
import {
  BUSINESS_COUNTS,
  CURRENT_KEY,
  EVENT_TYPES,
  FIELD_PREFIXES,
  generationPrefix,
  MINUTE_S,
  PART,
  USER_SETS,
} from '../store/summary-schema.js';
import {
  type ActiveUsers,
  type CountsSource,
  type PlatformCounters,
  type ServiceCounts,
  SourceOutdated,
  type WindowCounts,
} from './aggregates.js';
import { AnswerCache, type AnswerRest, NO_REST } from './answer-cache.js';
import { BucketSums } from './bucket-sums.js';
import type { PrimarySource } from './counts-reader.js';
import { seriesOf } from './platform-counters.js';
import { coveringBuckets, serviceBuckets } from './redis-buckets.js';
import {
  byPrefix,
  gaugesByService,
  groupByFirstPart,
  hashEntries,
  latencyCounts,
  parseGauge,
  requestCounts,
  run,
  toCounts,
} from './redis-replies.js';
import type { SummaryLag } from './summary-lag.js';
import { MAX_ATTEMPTS, SummariesMissing, type SummaryVersion, SummaryVersions } from './summary-versions.js';
import { topFeatures } from './top-features.js';
import { calendarStarts, keptFromS } from './windows.js';

/** Raised where Redis answers, but is not written to any more, or not fast enough. */
export class SummariesBehind extends Error {}

class GenerationReplaced extends Error {
  constructor() {
    super('The summaries were replaced while they were read');
  }
}

/**
 * Rest between two computations of the same while events come in all the time: a few milliseconds more from the 202 to the
 * answer, for a fifth of the time.
 */
export const REDIS_REST: AnswerRest = { factor: 4, maxMs: 50 };

/** Reads the summaries that src/projections keeps in Redis. */
export class RedisSource implements PrimarySource {
  readonly name = 'redis';
  readonly #windows: AnswerCache<WindowCounts>;
  readonly #activeUsers: AnswerCache<ActiveUsers>;
  readonly #services: AnswerCache<readonly ServiceCounts[]>;
  readonly #counters = new AnswerCache<PlatformCounters>();
  readonly #sums: BucketSums;
  readonly #versions: SummaryVersions;

  constructor(
    private readonly redis: Redis,
    private readonly lag: SummaryLag,
    private readonly retentionDays = Number.POSITIVE_INFINITY,
    rest: AnswerRest = NO_REST,
  ) {
    this.#windows = new AnswerCache(rest);
    this.#activeUsers = new AnswerCache(rest);
    this.#services = new AnswerCache(rest);
    this.#sums = new BucketSums(redis);
    this.#versions = new SummaryVersions(redis);
  }

  /** @returns what needs no look of its own at where the summaries stand */
  async check(): Promise<CountsSource> {
    const seen = await this.#versions.look();
    if (await this.lag.isBehind(seen.sequence)) throw new SummariesBehind('Redis is behind the tables');
    return {
      name: this.name,
      windowCounts: (fromS, nowMs) => this.windowCounts(fromS, nowMs, seen),
      activeUsers: (nowMs) => this.activeUsers(nowMs, seen),
      serviceCounts: (fromS, gaugesFromS, nowMs) => this.serviceCounts(fromS, gaugesFromS, nowMs, seen),
      platformCounters: (nowMs, fromSequence) => this.platformCounters(nowMs, fromSequence, seen),
    };
  }

  /** @param seen where the summaries stood a moment ago, if that is known */
  windowCounts(fromS: number, nowMs: number, seen?: SummaryVersion): Promise<WindowCounts> {
    const compute = (prefix: string): Promise<WindowCounts> => this.#windowCounts(prefix, fromS, nowMs);
    return this.#answer(this.#windows, `${fromS}`, nowMs, compute, seen);
  }

  activeUsers(nowMs: number, seen?: SummaryVersion): Promise<ActiveUsers> {
    return this.#answer(this.#activeUsers, '', nowMs, (prefix) => this.#countActiveUsers(prefix, nowMs), seen);
  }

  serviceCounts(
    fromS: number,
    gaugesFromS: number,
    nowMs: number,
    seen?: SummaryVersion,
  ): Promise<readonly ServiceCounts[]> {
    const compute = (prefix: string): Promise<readonly ServiceCounts[]> =>
      this.#serviceCounts(prefix, fromS, gaugesFromS, nowMs);
    return this.#answer(this.#services, `${fromS} ${gaugesFromS}`, nowMs, compute, seen);
  }

  async platformCounters(nowMs: number, fromSequence: number, seen?: SummaryVersion): Promise<PlatformCounters> {
    const compute = (prefix: string): Promise<PlatformCounters> => this.#platformCounters(prefix, nowMs);
    const counters = await this.#answer(this.#counters, '', nowMs, compute, seen);
    if (counters.sequence < fromSequence) throw new SourceOutdated('Redis stands at an earlier position');
    return counters;
  }

  /**
   * Computes an answer, or takes the one that is there while generation, sequence and the running minute are the same.
   * A generation that was replaced meanwhile has lost its keys, which read as zeros: then the answer is made again.
   */
  async #answer<T>(
    cache: AnswerCache<T>,
    key: string,
    nowMs: number,
    compute: (prefix: string) => Promise<T>,
    seen?: SummaryVersion,
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const isSeen = attempt === 1 && seen !== undefined;
      const { generation, sequence } = isSeen ? seen : await this.#versions.look();
      const version = `${generation} ${sequence} ${Math.floor(nowMs / 1000 / MINUTE_S)}`;
      try {
        return await cache.get(key, version, () => this.#computeWhole(generation, compute));
      } catch (error) {
        if (!(error instanceof GenerationReplaced) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  async #computeWhole<T>(generation: string, compute: (prefix: string) => Promise<T>): Promise<T> {
    const value = await compute(generationPrefix(generation));
    if ((await this.redis.get(CURRENT_KEY)) !== generation) throw new GenerationReplaced();
    return value;
  }

  async #windowCounts(prefix: string, fromS: number, nowMs: number): Promise<WindowCounts> {
    const counts = await this.#sums.sum(prefix, `window ${fromS}`, coveringBuckets(fromS, nowMs), nowMs);
    const uses = topFeatures(
      byPrefix(counts, FIELD_PREFIXES.feature).map(([feature, count]) => ({ feature, uses: count })),
    );
    const sets = [USER_SETS.login, USER_SETS.patient, ...uses.map(({ feature }) => USER_SETS.featurePrefix + feature)];
    const [loginUsers = 0, patientUsers = 0, ...featureUsers] = await this.#distinctUsers(
      prefix,
      sets.map((set) => ({ set, fromS })),
    );
    const of = (field: string): number => counts.get(field) ?? 0;
    return {
      ...requestCounts(counts),
      registrations: of(FIELD_PREFIXES.event + EVENT_TYPES.registered),
      logins: of(FIELD_PREFIXES.event + EVENT_TYPES.login),
      appointmentsCreated: of(FIELD_PREFIXES.business + BUSINESS_COUNTS.appointmentsCreated),
      notificationsSent: of(FIELD_PREFIXES.business + BUSINESS_COUNTS.notificationsSent),
      deviceRegistrations: of(FIELD_PREFIXES.business + BUSINESS_COUNTS.deviceRegistrations),
      patientEvents: of(FIELD_PREFIXES.business + BUSINESS_COUNTS.patientEvents),
      loginUsers,
      patientUsers,
      features: uses.map((feature, index) => ({ ...feature, users: featureUsers[index] ?? 0 })),
    };
  }

  async #countActiveUsers(prefix: string, nowMs: number): Promise<ActiveUsers> {
    const { dailyS, weeklyS, monthlyS } = calendarStarts(nowMs);
    const asked = [dailyS, weeklyS, monthlyS].map((fromS) => ({ set: USER_SETS.login, fromS }));
    const [daily = 0, weekly = 0, monthly = 0] = await this.#distinctUsers(prefix, asked);
    return { daily, weekly, monthly };
  }

  async #serviceCounts(
    prefix: string,
    fromS: number,
    gaugesFromS: number,
    nowMs: number,
  ): Promise<readonly ServiceCounts[]> {
    const [counts, seen, gauges] = await Promise.all([
      this.#sums.sum(prefix, `services ${fromS}`, serviceBuckets(fromS, nowMs), nowMs),
      this.redis.hgetall(`${prefix}seen`),
      this.redis.hgetall(`${prefix}gauges`),
    ]);
    const byService = groupByFirstPart(counts);
    const latest = gaugesByService(gauges, gaugesFromS);
    const keptMs = keptFromS(this.retentionDays, nowMs) * 1000;
    return Object.entries(seen)
      .filter(([, time]) => Number(time) >= keptMs)
      .map(([serviceName, time]) => ({
        serviceName,
        lastSeenMs: Number(time),
        gauges: latest.get(serviceName) ?? new Map<string, number>(),
        ...latencyCounts(byService.get(serviceName) ?? new Map<string, number>()),
      }))
      .sort((a, b) => (a.serviceName < b.serviceName ? -1 : 1));
  }

  /** In one transaction, so that the position is that of all counters. */
  async #platformCounters(prefix: string, nowMs: number): Promise<PlatformCounters> {
    const all = this.redis.multi().hget(`${prefix}meta`, 'sequence');
    // Under this name the client leaves the fields as they came: an object of ten thousand of them costs more than all else.
    for (const name of COUNTER_KINDS) all.call('HGETALL', `${prefix}${name}`);
    all.hgetall(`${prefix}gauges`);
    const [[sequence, http, duration, events, gauges], activeUsers] = await Promise.all([
      run(all),
      this.#countActiveUsers(prefix, nowMs),
    ]);
    const position = Number(sequence);
    if (!Number.isSafeInteger(position)) throw new SummariesMissing('Redis holds no whole summaries');
    const keptMs = keptFromS(this.retentionDays, nowMs) * 1000;
    return {
      sequence: position,
      ...seriesOf({ http: toCounts(http), duration: toCounts(duration), events: toCounts(events) }),
      activeUsers,
      gauges: hashEntries(gauges).flatMap(([field, text]) => {
        const [service = '', metric = ''] = field.split(PART);
        const { timeMs, value } = parseGauge(text);
        return timeMs >= keptMs ? [{ service, metric, value }] : [];
      }),
    };
  }

  async #distinctUsers(
    prefix: string,
    asked: readonly { readonly set: string; readonly fromS: number }[],
  ): Promise<number[]> {
    const pipeline = this.redis.pipeline();
    for (const { set, fromS } of asked) pipeline.zcount(`${prefix}u:${set}`, fromS * 1000, '+inf');
    return (await run(pipeline)).map(Number);
  }
}
