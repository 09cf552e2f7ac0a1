import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { firstKeptDay } from '../../store/partitions.js';
import { readPosition } from '../../store/summary-position.js';
import { generationPrefix, HOUR_S, USERS_KEPT_MS } from '../../store/summary-schema.js';
import {
  type ComparedKey,
  compareCopies,
  copyKeys,
  defineCompareKeys,
  type FieldDifference,
  type KeysReport,
} from './compare-keys.js';
import { type ExpectedSummaries, scanKeys } from './expected-summaries.js';
import type { DayRange } from './row-cursor.js';

/** Why the summaries were not compared, or not to the end. */
export type NotComparedReason =
  /** Redis does not answer. */
  | 'redis_away'
  /** Redis takes no keys: it is full, or a replica. */
  | 'redis_refuses'
  /** Redis has no summaries: it was emptied, or no service has run yet. */
  | 'no_summaries'
  /** They were made with another BUSINESS_FILE or METRICS_RETENTION_DAYS, or by another version of the service. */
  | 'other_settings'
  /** They stay behind the tables: nobody brings them up to date. */
  | 'behind'
  /** They, or the tables, were built anew meanwhile. */
  | 'replaced_meanwhile';

export type SummariesReport =
  | { readonly state: 'not_compared'; readonly reason: NotComparedReason }
  | {
      readonly state: 'compared';
      readonly generation: string;
      readonly keys: number;
      readonly fields: number;
      readonly differing_fields: number;
      /** The first of them. */
      readonly differences: readonly FieldDifference[];
    };

export interface CompareOptions {
  readonly settingsHash: string;
  readonly retentionDays: number;
  /** Only what belongs to these days is compared; everything where it is undefined. */
  readonly days: DayRange | undefined;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** Longest that the current generation may take to where the tables were. */
const CATCH_UP_MS = 30_000;
const POLL_MS = 20;
/** What one call to Redis looks at, so that it holds up nobody for long. */
const FIELDS_PER_CALL = 20_000;
const KEYS_PER_CALL = 50;
const MEMBERS_PER_SLICE = 5_000;
const MAX_SLICES = 1_000;
const NAMED_DIFFERENCES = 50;
const HOUR_MS = HOUR_S * 1000;
const DAY_MS = 24 * HOUR_MS;
const DAY_S = 24 * HOUR_S;

/** Ends the comparison with a reason. */
class NotCompared extends Error {
  constructor(readonly reason: NotComparedReason) {
    super(reason);
  }
}

/**
 * Compares the summaries that are read with those that were folded of the log, key by key, each at one position of both.
 *
 * @throws what Redis and Postgres say
 */
export async function compareSummaries(
  redis: Redis,
  expected: ExpectedSummaries,
  options: CompareOptions,
): Promise<SummariesReport> {
  defineCompareKeys(redis);
  try {
    const generation = await findGeneration(redis, options.settingsHash);
    const keys = await listKeys(redis, generation, expected.generation, options);
    return await compareAll(redis, generation, expected, keys, options);
  } catch (error) {
    if (error instanceof NotCompared) return { state: 'not_compared', reason: error.reason };
    throw error;
  }
}

async function findGeneration(redis: Redis, wantedHash: string): Promise<string> {
  const found = await readPosition(redis);
  if (found === undefined) throw new NotCompared('no_summaries');
  if (found.business !== wantedHash) throw new NotCompared('other_settings');
  return found.generation;
}

interface ListedKey extends ComparedKey {
  /** Fields or members, about. */
  readonly size: number;
}

/** The keys of both generations, each once; large sets of users in slices. */
async function listKeys(
  redis: Redis,
  current: string,
  expected: string,
  options: CompareOptions,
): Promise<ListedKey[]> {
  const names = new Set<string>();
  const sizes = new Map<string, number>();
  for (const generation of [current, expected]) {
    const prefix = generationPrefix(generation);
    for await (const keys of scanKeys(redis, prefix)) {
      for (const key of keys) names.add(key.slice(prefix.length));
      const counts = redis.pipeline();
      for (const key of keys) counts[key.startsWith(`${prefix}u:`) ? 'zcard' : 'hlen'](key);
      // A key of another type has no such size; the comparison tells of it.
      for (const [index, [, size]] of ((await counts.exec()) ?? []).entries()) {
        const name = (keys[index] ?? '').slice(prefix.length);
        sizes.set(name, Math.max(sizes.get(name) ?? 0, Number(size ?? 0)));
      }
    }
  }
  names.delete('meta');
  return [...names].sort().flatMap((name) => describeKey(name, sizes.get(name) ?? 0, options));
}

const TIMED_KEY = /^([mhds]):(\d{1,12})$/;

function describeKey(key: string, size: number, options: CompareOptions): ListedKey[] {
  const timed = TIMED_KEY.exec(key);
  if (timed !== null) {
    const day = Math.floor(Number(timed[2]) / DAY_S);
    const isAsked = options.days === undefined || (day >= options.days.first && day <= options.days.last);
    return isAsked ? [{ key, how: 'counts', a: '', b: '', size }] : [];
  }
  if (options.days !== undefined) return [];
  if (key.startsWith('u:')) return sliceScores(key, size, options);
  const oldestMs = options.now() - options.retentionDays * DAY_MS;
  if (key === 'gauges' || key === 'seen') return [{ key, how: 'times', a: String(oldestMs), b: '', size }];
  return [{ key, how: 'plain', a: '', b: '', size }];
}

/** Users leave a set some time after no window reaches them, so only later ones are compared. */
function sliceScores(key: string, size: number, { now, retentionDays }: CompareOptions): ListedKey[] {
  const nowMs = now();
  const fromMs = Math.max(nowMs - USERS_KEPT_MS + HOUR_MS, firstKeptDay(nowMs, retentionDays) * DAY_MS);
  const slices = Math.min(MAX_SLICES, Math.max(1, Math.ceil(size / MEMBERS_PER_SLICE)));
  const width = Math.ceil((nowMs - fromMs) / slices);
  return Array.from({ length: slices }, (_, index) => ({
    key,
    how: 'scores' as const,
    a: String(fromMs + index * width),
    b: index === slices - 1 ? '+inf' : `(${fromMs + (index + 1) * width}`,
    size: Math.ceil(size / slices),
  }));
}

async function compareAll(
  redis: Redis,
  generation: string,
  expected: ExpectedSummaries,
  keys: readonly ListedKey[],
  { signal }: CompareOptions,
): Promise<SummariesReport> {
  let fields = 0;
  let differing = 0;
  const differences: FieldDifference[] = [];
  for (const part of inParts(keys)) {
    signal.throwIfAborted();
    const named = NAMED_DIFFERENCES - differences.length;
    const same = await compareAtOnePosition(redis, generation, expected, part, named);
    fields += same.fields;
    differing += same.differing;
    differences.push(...same.differences);
  }
  const count = new Set(keys.map(({ key }) => key)).size;
  return { state: 'compared', generation, keys: count, fields, differing_fields: differing, differences };
}

function* inParts(keys: readonly ListedKey[]): Generator<ListedKey[]> {
  let part: ListedKey[] = [];
  let fields = 0;
  for (const key of keys) {
    if (part.length === KEYS_PER_CALL || (part.length > 0 && fields + key.size > FIELDS_PER_CALL)) {
      yield part;
      part = [];
      fields = 0;
    }
    part.push(key);
    fields += key.size;
  }
  if (part.length > 0) yield part;
}

/** Copies the keys, brings the expected summaries to the position of the copies, and compares. */
async function compareAtOnePosition(
  redis: Redis,
  generation: string,
  expected: ExpectedSummaries,
  keys: readonly ComparedKey[],
  named: number,
): Promise<KeysReport> {
  const deadlineMs = performance.now() + CATCH_UP_MS;
  for (;;) {
    const position = await copyKeys(redis, generation, expected.generation, keys);
    if (position === null) throw new NotCompared('replaced_meanwhile');
    if (Number(position) >= expected.position) {
      if (!(await expected.followTo(Number(position)))) throw new NotCompared('replaced_meanwhile');
      const compared = await compareCopies(redis, expected.generation, keys, named);
      if (compared === null) throw new NotCompared('replaced_meanwhile');
      return compared;
    }
    // The worker has not yet come to where the tables were when they were read.
    if (performance.now() > deadlineMs) throw new NotCompared('behind');
    await sleep(POLL_MS);
  }
}
