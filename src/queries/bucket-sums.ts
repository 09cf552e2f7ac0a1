import type { Redis, Result } from 'ioredis';
import { CHANGED_AT_FIELD, FIELDS, PART } from '../store/summary-schema.js';
import type { Bucket } from './redis-buckets.js';
import { type Counts, toCounts } from './redis-replies.js';

/**
 * Adds up hashes of counts, field by field, in two parts: those that rest, and those that change. What rests is added up
 * only where it did change after all, or is asked for the first time. No delta falls between two of the hashes.
 *
 * A maximum among the sums is made of its values. Its field cannot be mistaken for another: a service's name has no
 * colon, and all that an event names stands behind one. Numbers are printed by `%.0f`, because Lua's own way turns to
 * exponents at 10^14.
 *
 * KEYS the hashes
 * ARGV for each: the position at which it rests, or `changes`; nothing known is an empty word
 * Returns what to know of each hash the next time and the sums of what rests (nothing for both where all of that still
 * does), and the sums of what changes
 */
const SUM_BUCKETS = `
local function is_maximum(field)
  return string.sub(field, -${FIELDS.maxResponseTimeUs.length}) == '${FIELDS.maxResponseTimeUs}'
    and (field == '${FIELDS.maxResponseTimeUs}' or string.find(field, '^[%w_-]+${PART}${FIELDS.maxResponseTimeUs}$') ~= nil)
end
local function add_up(keys)
  local sums, flat = {}, {}
  for _, key in ipairs(keys) do
    local counts = redis.call('HGETALL', key)
    for i = 1, #counts, 2 do
      sums[counts[i]] = (sums[counts[i]] or 0) + (tonumber(counts[i + 1]) or 0)
    end
  end
  sums['${CHANGED_AT_FIELD}'] = nil
  for field, sum in pairs(sums) do
    if is_maximum(field) then
      sum = 0
      for _, key in ipairs(keys) do sum = math.max(sum, tonumber(redis.call('HGET', key, field) or '') or 0) end
    end
    flat[#flat + 1] = field
    flat[#flat + 1] = string.format('%.0f', sum)
  end
  return flat
end
local positions, resting, changing, rests = {}, {}, {}, true
for i, key in ipairs(KEYS) do
  local known = ARGV[i]
  if known ~= 'changes' then
    local at = redis.call('HGET', key, '${CHANGED_AT_FIELD}') or 'absent'
    if known ~= at then rests = false end
    known = (known == '' or known == at) and at or 'changes'
  end
  local part = known == 'changes' and changing or resting
  part[#part + 1] = key
  positions[i] = known
end
if rests then return { false, false, add_up(changing) } end
return { positions, add_up(resting), add_up(changing) }
`;

declare module 'ioredis' {
  interface RedisCommander<Context> {
    sumBuckets(...args: [keys: number, ...keysAndPositions: string[]]): Result<unknown, Context>;
  }
}

/** Questions whose sums are kept; a few windows are asked for, each in its running minute. */
const MAX_KEPT = 16;
const UNKNOWN = '';
const CHANGES = 'changes';

interface Kept {
  /** Which hashes, in which generation. */
  readonly keys: readonly string[];
  /** For each the position at which it is contained in `resting`, or that it changes. */
  readonly positions: readonly string[];
  readonly resting: Counts;
}

/**
 * Sums of buckets under constant change: what rests (closed minutes, hours and days) is added up once, and then only the
 * few buckets that change. A bucket that changes although it is closed, by a late event, counts among those from then on.
 *
 * Nothing depends on a clock or on having seen every delta: each hash names the position that changed it last.
 */
export class BucketSums {
  readonly #kept = new Map<string, Kept>();

  constructor(private readonly redis: Redis) {
    redis.defineCommand('sumBuckets', { lua: SUM_BUCKETS });
  }

  /**
   * @param question names what is asked; the next to ask the same has the same buckets, or begins anew
   * @returns field → sum (or maximum) over all buckets
   * @throws what Redis says
   */
  async sum(prefix: string, question: string, buckets: readonly Bucket[], nowMs: number): Promise<Counts> {
    const keys = buckets.map(({ key }) => prefix + key);
    const known = this.#kept.get(question);
    const kept = known !== undefined && isSame(known.keys, keys) ? known : undefined;
    const positions = kept?.positions ?? buckets.map((bucket) => (isRunning(bucket, nowMs) ? CHANGES : UNKNOWN));
    const reply = readReply(await this.redis.sumBuckets(keys.length, ...keys, ...positions));
    const resting = reply.resting ?? kept?.resting ?? new Map<string, number>();
    this.#keep(question, { keys, positions: reply.positions ?? positions, resting });
    return combine(resting, reply.changing);
  }

  #keep(question: string, kept: Kept): void {
    this.#kept.delete(question);
    this.#kept.set(question, kept);
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined && this.#kept.size > MAX_KEPT) this.#kept.delete(oldest);
  }
}

/** The running minute, hour or day: most events fall there. A guess, which is corrected where it is wrong. */
function isRunning({ fromS, seconds }: Bucket, nowMs: number): boolean {
  return fromS * 1000 <= nowMs && nowMs < (fromS + seconds) * 1000;
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((key, index) => key === b[index]);
}

interface Reply {
  readonly positions: readonly string[] | undefined;
  readonly resting: Counts | undefined;
  readonly changing: Counts;
}

function readReply(reply: unknown): Reply {
  if (!Array.isArray(reply) || !Array.isArray(reply[2])) throw new Error('The sums of buckets cannot be read');
  const [positions, resting, changing]: unknown[] = reply;
  return {
    positions: Array.isArray(positions) ? positions.map(String) : undefined,
    resting: Array.isArray(resting) ? toCounts(resting) : undefined,
    changing: toCounts(changing),
  };
}

function combine(resting: Counts, changing: Counts): Counts {
  const sums = new Map(resting);
  for (const [field, count] of changing) {
    const known = sums.get(field) ?? 0;
    sums.set(field, isMaximum(field) ? Math.max(known, count) : known + count);
  }
  return sums;
}

const SERVICE_MAXIMUM = new RegExp(`^[A-Za-z0-9_-]+${PART}${FIELDS.maxResponseTimeUs}$`);

function isMaximum(field: string): boolean {
  if (!field.endsWith(FIELDS.maxResponseTimeUs)) return false;
  return field === FIELDS.maxResponseTimeUs || SERVICE_MAXIMUM.test(field);
}
