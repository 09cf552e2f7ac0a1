import type { Redis, Result } from 'ioredis';
import { CHANGED_AT_FIELD, CURRENT_KEY, generationPrefix } from '../../store/summary-schema.js';

/** Seconds after which copies expire, should this process die before it takes them away. */
const COPIES_KEPT_S = 600;

/**
 * Copies keys of the summaries that are read, in one call, so that nothing moves meanwhile: what is compared stands still
 * then, however fast the summaries go on. Of a sorted set only the members are copied whose scores are asked for. A copy
 * expires with its original.
 *
 * KEYS[1] that names the current generation, KEYS[2] its meta hash; then pairs of original and copy
 * ARGV    the current generation, then for each pair: how (see below), a, b
 * Answers the position of the copies; nothing where another generation is the current one, or this one is gone.
 */
const COPY_KEYS = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
local position = redis.call('HGET', KEYS[2], 'sequence')
if not position then return false end
for pair = 1, (#KEYS - 2) / 2 do
  local from, to = KEYS[pair * 2 + 1], KEYS[pair * 2 + 2]
  local how, a, b = ARGV[pair * 3 - 1], ARGV[pair * 3], ARGV[pair * 3 + 1]
  if how == 'scores' and redis.call('TYPE', from).ok == 'zset' then
    redis.call('ZRANGESTORE', to, from, a, b, 'BYSCORE')
  else
    redis.call('COPY', from, to, 'REPLACE')
  end
  local left = redis.call('TTL', to)
  if left == -1 or left > ${COPIES_KEPT_S} then redis.call('EXPIRE', to, ${COPIES_KEPT_S}) end
end
return position
`;

/**
 * Compares copies with the keys that were folded of the log.
 *
 * How a key is compared:
 *   counts   a hash of counts, without the position that changed it last
 *   plain    a hash
 *   times    a hash whose values begin with a time (ms); what is older than `a` on both sides is passed over
 *   scores   a sorted set, the members whose scores are from `a` to `b`
 *
 * KEYS[1] the meta hash of the folded generation; then pairs of copy and folded key
 * ARGV    most differences that are named, then for each pair: how, a, b
 * Answers the fields that were compared, those that differ, and of the first of them: index of the pair, field, expected,
 * found. Nothing where the folded generation is gone.
 */
const COMPARE_KEYS = `
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local limit, fields, differing, named = tonumber(ARGV[1]), 0, 0, {}
local function differ(pair, field, expected, found)
  differing = differing + 1
  if #named < limit then named[#named + 1] = { pair, field, expected or false, found or false } end
end
local function read(key, how, a, b)
  local kind, values = redis.call('TYPE', key).ok, {}
  if kind == 'none' then return values end
  if kind ~= (how == 'scores' and 'zset' or 'hash') then return values, kind end
  local flat = how == 'scores' and redis.call('ZRANGEBYSCORE', key, a, b, 'WITHSCORES') or redis.call('HGETALL', key)
  for index = 1, #flat, 2 do values[flat[index]] = flat[index + 1] end
  if how == 'counts' then values['${CHANGED_AT_FIELD}'] = nil end
  return values
end
local function is_old(value, oldest)
  return not value or (tonumber(string.match(value, '^%d+') or '') or oldest) < oldest
end
for pair = 1, (#KEYS - 1) / 2 do
  local how, a, b = ARGV[pair * 3 - 1], ARGV[pair * 3], ARGV[pair * 3 + 1]
  local found, wrong = read(KEYS[pair * 2], how, a, b)
  local expected = read(KEYS[pair * 2 + 1], how, a, b)
  if wrong then differ(pair, '', how == 'scores' and 'zset' or 'hash', wrong) end
  local function passed(one, other) return how == 'times' and is_old(one, tonumber(a)) and is_old(other, tonumber(a)) end
  for field, value in pairs(expected) do
    fields = fields + 1
    if not wrong and found[field] ~= value and not passed(value, found[field]) then
      differ(pair, field, value, found[field])
    end
  end
  for field, value in pairs(found) do
    if expected[field] == nil and not passed(value, nil) then
      fields = fields + 1
      differ(pair, field, nil, value)
    end
  end
end
return { fields, differing, named }
`;

type NamedDifference = readonly [pair: number, field: string, expected: string | null, found: string | null];
type Compared = readonly [fields: number, differing: number, named: readonly NamedDifference[]];

declare module 'ioredis' {
  interface RedisCommander<Context> {
    copySummaryKeys(...args: [keys: number, ...keysAndArgv: string[]]): Result<string | null, Context>;
    compareSummaryKeys(...args: [keys: number, ...keysAndArgv: string[]]): Result<Compared | null, Context>;
  }
}

/** Teaches a connection the scripts above. */
export function defineCompareKeys(redis: Redis): void {
  redis.defineCommand('copySummaryKeys', { lua: COPY_KEYS });
  redis.defineCommand('compareSummaryKeys', { lua: COMPARE_KEYS });
}

/** A key, without its generation, and how it is compared. */
export interface ComparedKey {
  readonly key: string;
  readonly how: 'counts' | 'plain' | 'times' | 'scores';
  readonly a: string;
  readonly b: string;
}

/** A field that differs; null where one side has none. An empty field stands for the key's type. */
export interface FieldDifference {
  readonly key: string;
  readonly field: string;
  readonly expected: string | null;
  readonly found: string | null;
}

export interface KeysReport {
  readonly fields: number;
  readonly differing: number;
  readonly differences: readonly FieldDifference[];
}

const copyOf = (expected: string, index: number): string => `${generationPrefix(expected)}copy:${index}`;
const waysOf = (keys: readonly ComparedKey[]): string[] => keys.flatMap(({ how, a, b }) => [how, a, b]);

/**
 * Copies keys of the current generation beside the folded one.
 *
 * @returns the position of what was copied; null where the current generation is another one now
 * @throws what Redis says
 */
export async function copyKeys(
  redis: Redis,
  current: string,
  expected: string,
  keys: readonly ComparedKey[],
): Promise<string | null> {
  const prefix = generationPrefix(current);
  const pairs = keys.flatMap(({ key }, index) => [`${prefix}${key}`, copyOf(expected, index)]);
  const all = [CURRENT_KEY, `${prefix}meta`, ...pairs];
  return await redis.copySummaryKeys(all.length, ...all, current, ...waysOf(keys));
}

/**
 * Compares the copies that were made of these keys with the folded generation, and takes them away.
 *
 * @param named most differences that are named
 * @returns null where the folded generation is gone
 * @throws what Redis says
 */
export async function compareCopies(
  redis: Redis,
  expected: string,
  keys: readonly ComparedKey[],
  named: number,
): Promise<KeysReport | null> {
  const prefix = generationPrefix(expected);
  const copies = keys.map((_, index) => copyOf(expected, index));
  const all = [`${prefix}meta`, ...keys.flatMap(({ key }, index) => [copies[index] ?? '', `${prefix}${key}`])];
  const reply = await redis.compareSummaryKeys(all.length, ...all, String(named), ...waysOf(keys));
  await redis.unlink(...copies);
  if (reply === null) return null;
  const [fields, differing, list] = reply;
  const differences = list.map(([pair, field, wanted, found]) => {
    return { key: keys[pair - 1]?.key ?? '', field, expected: wanted, found };
  });
  return { fields, differing, differences };
}
