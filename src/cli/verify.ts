import { type Environment, loadFoldConfig } from '../config.js';
import { UsageError } from '../config-error.js';
import { codecOf } from '../events/codec.js';
import { parseRfc3339 } from '../events/time.js';
import { type VerifyOutcome, verify } from '../projections/verify/verify.js';
import { dayOf } from '../store/partitions.js';
import { openPool } from '../store/postgres.js';
import { openRedis, redisAnswered } from '../store/redis.js';
import { ConnectionWatch, connectNats, isNatsTrouble } from '../stream/connection.js';
import { FeedBroken } from '../stream/log-feed.js';
import { ServerUnreachable } from '../wait-for-server.js';
import { Progress } from './progress.js';
import { stopOnSignal } from './stop-signal.js';
import { verifyText } from './verify-text.js';

export interface VerifyArguments {
  /** First and last day (UTC), `2026-11-24`; undefined for everything. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly json: boolean;
}

const REDIS_TIMEOUT_MS = 10_000;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/**
 * `metrics verify`: folds the log in memory and compares it with the tables and with Redis. Changes nothing.
 *
 * @returns 0 where everything is equal, 1 where anything differs or could not be compared, 3 where Redis is away
 * @throws ConfigError, ServerUnreachable
 */
export async function runVerify(env: Environment, given: VerifyArguments): Promise<number> {
  const days = readDays(given);
  const config = loadFoldConfig(env);
  const signal = stopOnSignal();
  const quiet = (): void => undefined;
  const connection = await connectNats(config.nats, 'metrics verify').catch((error: unknown) => {
    throw new ServerUnreachable('NATS', error);
  });
  const { databaseUrl, retentionDays, business } = config;
  const pool = openPool({ databaseUrl, maxConnections: 3, applicationName: 'metrics verify', onError: quiet });
  const redis = openRedis(config.redis, REDIS_TIMEOUT_MS, quiet);
  const progress = new Progress('events');
  try {
    const manager = await connection.jetstreamManager();
    await redisAnswered(redis);
    const codec = codecOf(config);
    const watch = new ConnectionWatch(connection);
    const parts = { connection, watch, manager, codec, pool, redis, business, retentionDays, now: Date.now };
    const onProgress = (done: number, total: number): void => progress.update(done, total);
    const outcome = await verify(parts, { ...days, signal, onProgress });
    if (outcome.kind === 'compared') progress.finish(outcome.report.log.events + outcome.report.log.refused);
    return tell(outcome, given.json);
  } catch (error) {
    progress.abandon();
    if (signal.aborted) return 1;
    if (error instanceof FeedBroken || isNatsTrouble(error)) throw new ServerUnreachable('NATS', error);
    throw error;
  } finally {
    redis.disconnect();
    await Promise.allSettled([connection.close(), pool.end()]);
  }
}

function tell(outcome: VerifyOutcome, json: boolean): number {
  if (outcome.kind === 'different_log') {
    const { reason } = outcome;
    if (json) process.stdout.write(`${JSON.stringify({ equal: false, different_log: reason }, undefined, 2)}\n`);
    else process.stdout.write(`The tables were not folded of this log: ${reason}\n`);
    return 1;
  }
  const { report } = outcome;
  process.stdout.write(json ? `${JSON.stringify(report, undefined, 2)}\n` : verifyText(report));
  if (report.equal) return 0;
  const { summaries } = report;
  return summaries.state === 'not_compared' && summaries.reason === 'redis_away' ? 3 : 1;
}

/** @throws ConfigError */
function readDays({ from, to }: VerifyArguments): { readonly from?: number; readonly to?: number } {
  const [first, last] = [readDay('--from', from), readDay('--to', to)];
  if (first !== undefined && last !== undefined && first > last) {
    throw new UsageError([{ name: '--from', detail: 'must not be after --to' }]);
  }
  return { ...(first === undefined ? {} : { from: first }), ...(last === undefined ? {} : { to: last }) };
}

function readDay(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const timeMs = DAY.test(text) ? parseRfc3339(`${text}T00:00:00Z`) : undefined;
  if (timeMs === undefined) throw new UsageError([{ name, detail: 'must be a day, as 2026-11-24' }]);
  return dayOf(timeMs);
}
