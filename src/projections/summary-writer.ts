import type { Redis, Result } from 'ioredis';
import type { Pool } from 'pg';
import { beginEpoch, type Checkpoint, passEpoch, readCheckpoint, SUMMARIES_PROJECTION } from '../store/checkpoints.js';
import { EPOCH_KEY } from '../store/summary-schema.js';
import { applyDelta, defineApplyDelta, type PlacedDelta } from './apply-delta.js';

/**
 * Writes an epoch into Redis, unless a later one stands there. What is no number was written by somebody else.
 *
 * KEYS[1] the epoch's key
 * ARGV    the epoch
 * Answers the epoch that stands there afterwards.
 */
const CLAIM_EPOCH = `
local is_text = redis.call('TYPE', KEYS[1]).ok == 'string'
local held = is_text and string.match(redis.call('GET', KEYS[1]), '^%d+$')
if held and #held <= 15 and tonumber(held) > tonumber(ARGV[1]) then return held end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
`;

/**
 * Runs commands, all or none, if the epoch is the one in Redis. Their keys share the hash tag of KEYS[1].
 *
 * KEYS[1] the epoch's key
 * ARGV    the epoch, the commands as JSON: a list of lists of strings
 * Answers 1, or 0 where another epoch stands there.
 */
const WRITE_UNDER_EPOCH = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for _, command in ipairs(cjson.decode(ARGV[2])) do redis.call(unpack(command)) end
return 1
`;

declare module 'ioredis' {
  interface RedisCommander<Context> {
    claimSummaryEpoch(key: string, epoch: string): Result<string, Context>;
    writeUnderSummaryEpoch(key: string, epoch: string, commands: string): Result<number, Context>;
  }
}

/** Teaches a connection everything that a writer needs. */
export function defineSummaryWrites(redis: Redis): void {
  defineApplyDelta(redis);
  redis.defineCommand('claimSummaryEpoch', { numberOfKeys: 1, lua: CLAIM_EPOCH });
  redis.defineCommand('writeUnderSummaryEpoch', { numberOfKeys: 1, lua: WRITE_UNDER_EPOCH });
}

/** Another leader writes the summaries, or Redis lost what says that this one does. Nothing was written. */
export class SummariesFenced extends Error {
  constructor() {
    super('Another epoch of the summaries has begun');
    this.name = 'SummariesFenced';
  }
}

/** A Redis command and its arguments. */
export type Command = readonly [name: string, ...args: string[]];

/**
 * The only way to write the summaries that are read. Each lead begins an epoch in Postgres and writes it down in Redis;
 * every write carries it and is refused, in the same call, where another one stands there. So a process that was stopped
 * and wakes after another took over changes nothing, whatever it was about to send.
 */
export class SummaryWriter {
  private constructor(
    private readonly pool: Pool,
    private readonly redis: Redis,
    readonly epoch: number,
  ) {}

  /**
   * Begins an epoch and fences off every earlier one.
   *
   * @param redis a connection that `defineSummaryWrites` was called for
   * @param holder who begins it, for operators
   * @throws SummariesFenced where a later epoch has begun meanwhile; what Postgres and Redis say
   */
  static async begin(pool: Pool, redis: Redis, holder: string): Promise<SummaryWriter> {
    const begun = await beginEpoch(pool, SUMMARIES_PROJECTION, holder, '');
    const { epoch } = await claim(pool, redis, begun);
    return new SummaryWriter(pool, redis, epoch);
  }

  /**
   * Writes the epoch into a Redis that lost it, if it is still the latest in Postgres.
   *
   * @throws SummariesFenced where it is not; what Postgres and Redis say
   */
  async renew(): Promise<void> {
    const latest = await readCheckpoint(this.pool, SUMMARIES_PROJECTION);
    if (latest?.epoch !== this.epoch) throw new SummariesFenced();
    if (Number(await this.redis.claimSummaryEpoch(EPOCH_KEY, String(this.epoch))) !== this.epoch) {
      throw new SummariesFenced();
    }
  }

  /** `applyDelta` under the epoch. @throws SummariesFenced; what Redis says */
  async apply(generation: string, placed: PlacedDelta, keptSeconds: number): Promise<string | null> {
    const reached = await applyDelta(this.redis, generation, placed, { keptSeconds, epoch: this.epoch });
    if (reached === 'fenced') throw new SummariesFenced();
    return reached;
  }

  /** Runs commands under the epoch. @throws SummariesFenced; what Redis says */
  async write(...commands: readonly Command[]): Promise<void> {
    const written = await this.redis.writeUnderSummaryEpoch(EPOCH_KEY, String(this.epoch), JSON.stringify(commands));
    if (written !== 1) throw new SummariesFenced();
  }
}

/** A later epoch in Redis is that of a later leader, or Postgres is an older copy: then the epoch is made later than it. */
async function claim(pool: Pool, redis: Redis, begun: Checkpoint): Promise<Checkpoint> {
  const held = Number(await redis.claimSummaryEpoch(EPOCH_KEY, String(begun.epoch)));
  if (held === begun.epoch) return begun;
  const passed = await passEpoch(pool, SUMMARIES_PROJECTION, begun, held);
  if (passed === undefined) throw new SummariesFenced();
  if (Number(await redis.claimSummaryEpoch(EPOCH_KEY, String(passed.epoch))) === passed.epoch) return passed;
  throw new SummariesFenced();
}
