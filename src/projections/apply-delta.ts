import type { Redis, Result } from 'ioredis';
import { CHANGED_AT_FIELD, EPOCH_KEY, generationPrefix, MINUTES_KEPT_S } from '../store/summary-schema.js';

/** Fields of one command: what Lua can hand over at once is limited. */
const FIELDS_PER_COMMAND = 1_000;

/**
 * Adds one delta to a generation of the summaries and moves that generation's position, or does nothing where the
 * position is not the one that the delta begins at. So a delta that is sent again, because the answer was lost, does
 * nothing.
 *
 * Redis does not undo what a failing script has written. Everything that can be wrong is therefore looked at before the
 * first write: the position, the delta's JSON, the types of the keys. What shows only in writing does not stop it: a
 * sum past 2^63 stays there, and a count that somebody else turned into text leaves the position `damaged`, so that the
 * summaries are built anew.
 *
 * A hash is read and written in a few commands of many fields: one HINCRBY a field costs Redis three times as much, and
 * with a full log it is Redis, not Postgres, that limits. Sums are exact below 2^53, where Lua's numbers end; from there
 * on HINCRBY does it. Redis prints whole numbers of a script as such; text is made of them by `%.0f`, because Lua's own
 * way turns to exponents at 10^14.
 *
 * KEYS    the generation's meta hash, the key of the epoch
 * ARGV    prefix, from, to, delta as JSON, seconds that hours and days are kept, seconds that minutes are kept, and,
 *         of a generation that is not to stay, the second (since 1970) at which its keys expire;
 *         the writer's epoch, of a generation that is or will be read
 */
const APPLY_DELTA = `
local meta, prefix, from, to = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local epoch = ARGV[8] or ''
if epoch ~= '' and redis.call('GET', KEYS[2]) ~= epoch then return 'fenced' end
local position = redis.call('HGET', meta, 'sequence')
if position ~= from then return position end
local delta = cjson.decode(ARGV[4])
local kept, minutes_kept, lives = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7] or '')
local function whole(n) return string.format('%.0f', n) end
local damaged = false
local function add(key, field, count)
  local reply = redis.pcall('HINCRBY', key, field, whole(count))
  if type(reply) ~= 'table' or not reply.err then return end
  if string.find(reply.err, 'overflow') then redis.call('HSET', key, field, '9223372036854775807')
  else damaged = true end
end

local function plus(known, count) return known + count end
local function larger(known, value) return math.max(known, value) end
local function update(key, counts, how)
  local fields = {}
  for field in pairs(counts) do fields[#fields + 1] = field end
  for first = 1, #fields, ${FIELDS_PER_COMMAND} do
    local last = math.min(first + ${FIELDS_PER_COMMAND - 1}, #fields)
    local known = redis.call('HMGET', key, unpack(fields, first, last))
    local written = {}
    for i = first, last do
      local field, value = fields[i], known[i - first + 1]
      local result = counts[field]
      if value then
        local number = string.find(value, '^%d+$') and tonumber(value)
        result = number and how(number, result)
      end
      if result and result < 9007199254740992 then
        written[#written + 1] = field
        written[#written + 1] = result
      elseif how == plus then add(key, field, counts[field])
      else damaged = true end
    end
    if #written > 0 then redis.call('HSET', key, unpack(written)) end
  end
end

local sums, maxima, expiries = {}, {}, {}
local function want(key, kind)
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= kind then error('unexpected type of ' .. key) end
end
local function put(list, key, counts, how, expires)
  local there = list[key]
  if not there then
    want(key, 'hash')
    there = {}
    list[key] = there
    if expires then expiries[key] = expires end
  end
  for field, count in pairs(counts) do
    -- A delta that an earlier release left in the outbox has the name with each of its fields.
    if type(count) == 'table' then
      for part, number in pairs(count) do there[field .. '\t' .. part] = number end
    else
      local known = there[field]
      there[field] = known and how(known, count) or count
    end
  end
end
-- Minutes that would have expired already are not written: in a rebuild those are nearly all.
local now = tonumber(redis.call('TIME')[1])
local function platform(list, groups, how)
  for minute, counts in pairs(groups) do
    local at = tonumber(minute)
    if at + minutes_kept > now then put(list, prefix .. 'm:' .. minute, counts, how, at + minutes_kept) end
    local hour = at - at % 3600
    put(list, prefix .. 'h:' .. whole(hour), counts, how, hour + kept)
    local day = at - at % 86400
    put(list, prefix .. 'd:' .. whole(day), counts, how, day + 86400 + kept)
  end
end
local function by_service(list, groups, how)
  for minute, counts in pairs(groups) do
    local expires = tonumber(minute) + minutes_kept
    if expires > now then put(list, prefix .. 's:' .. minute, counts, how, expires) end
  end
end

platform(sums, delta.minutes, plus)
by_service(sums, delta.services, plus)
-- A delta that an earlier release left in the outbox has no maxima.
platform(maxima, delta.maxima or {}, larger)
by_service(maxima, delta.serviceMaxima or {}, larger)
put(sums, prefix .. 'http', delta.http, plus)
put(sums, prefix .. 'duration', delta.duration, plus)
put(sums, prefix .. 'events', delta.events, plus)
want(prefix .. 'gauges', 'hash')
want(prefix .. 'seen', 'hash')
for set in pairs(delta.users) do want(prefix .. 'u:' .. set, 'zset') end

for key, counts in pairs(sums) do update(key, counts, plus) end
for key, counts in pairs(maxima) do update(key, counts, larger) end
for key, expires in pairs(expiries) do
  redis.call('HSET', key, '${CHANGED_AT_FIELD}', to)
  redis.call('EXPIREAT', key, whole(lives and math.min(lives, expires) or expires))
end
for series, gauge in pairs(delta.gauges) do
  local known = redis.call('HGET', prefix .. 'gauges', series)
  local later = true
  if known then
    local time, sequence = string.match(known, '^(%d+) (%d+) ')
    time, sequence = tonumber(time), tonumber(sequence)
    later = not time or gauge[1] > time or (gauge[1] == time and gauge[2] > sequence)
  end
  if later then
    redis.call('HSET', prefix .. 'gauges', series,
      whole(gauge[1]) .. ' ' .. whole(gauge[2]) .. ' ' .. string.format('%.17g', gauge[3]))
  end
end
for service, time in pairs(delta.seen) do
  local known = tonumber(redis.call('HGET', prefix .. 'seen', service) or '0') or 0
  if time > known then redis.call('HSET', prefix .. 'seen', service, whole(time)) end
end
for set, users in pairs(delta.users) do
  local pairs_of = {}
  local function flush()
    if #pairs_of > 0 then redis.call('ZADD', prefix .. 'u:' .. set, 'GT', unpack(pairs_of)) end
    pairs_of = {}
  end
  for user, time in pairs(users) do
    pairs_of[#pairs_of + 1] = time
    pairs_of[#pairs_of + 1] = user
    if #pairs_of >= ${2 * FIELDS_PER_COMMAND} then flush() end
  end
  flush()
end
if lives then
  for _, key in ipairs({ 'http', 'duration', 'events', 'gauges', 'seen' }) do
    redis.call('EXPIREAT', prefix .. key, whole(lives))
  end
  for set in pairs(delta.users) do redis.call('EXPIREAT', prefix .. 'u:' .. set, whole(lives)) end
end
if damaged then to = 'damaged' end
redis.call('HSET', meta, 'sequence', to)
return to
`;

declare module 'ioredis' {
  interface RedisCommander<Context> {
    applySummaryDelta(...args: [meta: string, epoch: string, ...argv: string[]]): Result<string | null, Context>;
  }
}

/** Teaches a connection the script above. */
export function defineApplyDelta(redis: Redis): void {
  redis.defineCommand('applySummaryDelta', { numberOfKeys: 2, lua: APPLY_DELTA });
}

/** A stretch of positions and what it adds. A position is a stream sequence, or a step of a rebuild. */
export interface PlacedDelta {
  readonly from: string;
  readonly to: string;
  /** A `SummaryDelta` as JSON. */
  readonly delta: string;
}

export interface ApplyOptions {
  /** How long hours and days are kept. */
  readonly keptSeconds: number;
  /** Of a generation that is not to stay: when its keys expire, seconds since 1970. */
  readonly expiresAtS?: number;
  /** Of a generation that is or will be read: who writes it (`SummaryWriter`). */
  readonly epoch?: number;
}

/**
 * Applies one delta to a generation.
 *
 * @returns the generation's position afterwards: `to`, or another where the delta did not fit; `fenced` where another
 *   epoch than the given one may write
 * @throws what Redis says; whether the delta was applied is then unknown, and its position tells
 */
export async function applyDelta(
  redis: Redis,
  generation: string,
  { from, to, delta }: PlacedDelta,
  { keptSeconds, expiresAtS, epoch }: ApplyOptions,
): Promise<string | null> {
  const prefix = generationPrefix(generation);
  return await redis.applySummaryDelta(
    `${prefix}meta`,
    EPOCH_KEY,
    prefix,
    from,
    to,
    delta,
    String(keptSeconds),
    String(MINUTES_KEPT_S),
    String(expiresAtS ?? ''),
    String(epoch ?? ''),
  );
}
