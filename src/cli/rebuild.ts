import { hostname } from 'node:os';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { type Environment, type FoldConfig, loadFoldConfig } from '../config.js';
import { UsageError } from '../config-error.js';
import { codecOf } from '../events/codec.js';
import { askForSummaries, awaitSummaries, RedisAway } from '../projections/rebuild/rebuild-summaries-anew.js';
import { type RebuildOutcome, type RebuildRequest, rebuildTables } from '../projections/rebuild/rebuild-tables.js';
import type { PhaseProgress } from '../projections/rebuild/replace-tables.js';
import { EVENT_TABLES, type EventTable } from '../store/partitions.js';
import { openPool } from '../store/postgres.js';
import { openRedis, redisAnswered } from '../store/redis.js';
import { ConnectionWatch, connectNats } from '../stream/connection.js';
import { createLogger } from '../telemetry/logger.js';
import { createServiceMetrics } from '../telemetry/service-metrics.js';
import { ServerUnreachable } from '../wait-for-server.js';
import { Progress } from './progress.js';
import { rebuildDocument, rebuildText } from './rebuild-text.js';
import { stopOnSignal } from './stop-signal.js';

export interface RebuildArguments {
  /** `all`, `summaries` or a table; undefined with `resume`, `abort` and `rollback`. */
  readonly projection: string | undefined;
  readonly dryRun: boolean;
  readonly keep: boolean;
  readonly rollback: boolean;
  readonly resume: boolean;
  readonly abort: boolean;
  readonly force: boolean;
  /** A number; undefined for the default. */
  readonly niceRatio: string | undefined;
  readonly json: boolean;
}

/** What is to be done, of the arguments; `summaries` alone needs no tables. */
export type RebuildTask = RebuildRequest | { readonly kind: 'summaries' };

const NAMES = [...EVENT_TABLES, 'summaries', 'all'].join(', ');
const TABLES_INTERRUPTED = 'Interrupted. `rebuild --resume` goes on, `rebuild --abort` clears away.\n';
const SUMMARIES_INTERRUPTED = 'Interrupted. Once asked for, the summaries are built by the service, if it runs.\n';
/** A third of the time is its own. */
const DEFAULT_NICE_RATIO = 2;
const MAX_NICE_RATIO = 100;
const MAX_CONNECTIONS = 4;
/** This process, for operators. */
const HOLDER = `${hostname()}:${process.pid}`;
const REDIS_TIMEOUT_MS = 10_000;
const COUNTED = { fold: 'events', vacuum: 'partitions', compare: 'days of tables', swap: 'swaps' } as const;

/**
 * `metrics rebuild`: folds the log into tables beside the live ones, compares, and swaps.
 *
 * @returns 0; 1 where it was refused or interrupted, or a dry run found differences
 * @throws ConfigError, ServerUnreachable
 */
export async function runRebuild(env: Environment, given: RebuildArguments): Promise<number> {
  const task = toTask(given);
  const niceRatio = toNiceRatio(given.niceRatio);
  const config = loadFoldConfig(env);
  const stop = stopOnSignal();
  const pool = openPool({
    databaseUrl: config.databaseUrl,
    maxConnections: MAX_CONNECTIONS,
    applicationName: 'metrics rebuild',
    onError: () => undefined,
  });
  try {
    if (task.kind === 'summaries') return await rebuildSummariesAlone(config, pool, given.json, stop);
    const outcome = await onServers(config, pool, task, niceRatio, stop);
    if (needsSummaries(outcome)) await buildSummaries(config, pool, stop);
    process.stdout.write(given.json ? `${JSON.stringify(rebuildDocument(outcome))}\n` : rebuildText(outcome));
    return statusOf(outcome);
  } catch (error) {
    if (!stop.aborted) throw error instanceof RedisAway ? new ServerUnreachable('Redis', error) : error;
    process.stderr.write(task.kind === 'summaries' ? SUMMARIES_INTERRUPTED : TABLES_INTERRUPTED);
    return 1;
  } finally {
    await pool.end();
  }
}

/** @throws ConfigError where the arguments do not go together */
export function toTask(given: RebuildArguments): RebuildTask {
  const { projection, dryRun, keep, rollback, resume, abort, force } = given;
  const problem = (name: string, detail: string): UsageError => new UsageError([{ name, detail }]);
  const others = [rollback, resume, abort].filter(Boolean).length;
  if (others > 1) throw problem('--rollback, --resume, --abort', 'exclude one another');
  if (others === 1 && projection !== undefined) {
    throw problem('rebuild', `takes no projection with --${rollback ? 'rollback' : resume ? 'resume' : 'abort'}`);
  }
  if ((resume || abort) && (dryRun || keep)) {
    throw problem('--resume, --abort', 'take what was asked for at the beginning: neither --dry-run nor --keep');
  }
  if (abort) return { kind: 'abort' };
  if (resume) return { kind: 'resume', force };
  if (rollback) return { kind: 'rollback', wishes: { keep, dryRun, summaries: false }, force };
  const tables = tablesOf(projection);
  if (tables === undefined) throw problem('rebuild', `needs one of ${NAMES}`);
  if (tables.length > 0) {
    return { kind: 'begin', tables, wishes: { keep, dryRun, summaries: projection === 'all' }, force };
  }
  if (dryRun || keep || force) throw problem('rebuild summaries', 'takes none of --dry-run, --keep and --force');
  return { kind: 'summaries' };
}

/** @throws ConfigError */
export function toNiceRatio(given: string | undefined): number {
  if (given === undefined) return DEFAULT_NICE_RATIO;
  const ratio = /^\d{1,3}(\.\d{1,3})?$/.test(given) ? Number(given) : Number.NaN;
  if (ratio >= 0 && ratio <= MAX_NICE_RATIO) return ratio;
  throw new UsageError([{ name: '--nice-ratio', detail: `must be a number from 0 to ${MAX_NICE_RATIO}` }]);
}

function tablesOf(projection: string | undefined): readonly EventTable[] | undefined {
  if (projection === 'all') return EVENT_TABLES;
  if (projection === 'summaries') return [];
  const table = EVENT_TABLES.find((each) => each === projection);
  return table === undefined ? undefined : [table];
}

async function onServers(
  config: FoldConfig,
  pool: Pool,
  request: RebuildRequest,
  niceRatio: number,
  signal: AbortSignal,
): Promise<RebuildOutcome> {
  const connection = await connectNats(config.nats, 'metrics rebuild').catch((error: unknown) => {
    throw new ServerUnreachable('NATS', error);
  });
  const progress = new PhasedProgress();
  try {
    const { databaseUrl } = config;
    const outcome = await rebuildTables(
      {
        pool,
        databaseUrl,
        connection,
        watch: new ConnectionWatch(connection),
        manager: await connection.jetstreamManager(),
        codec: codecOf(config),
        holder: HOLDER,
        niceRatio,
        signal,
        onProgress: (at) => progress.update(at),
      },
      request,
    );
    progress.finish();
    return outcome;
  } finally {
    progress.abandon();
    await connection.close();
  }
}

/** One bar after the other. */
class PhasedProgress {
  #phase: PhaseProgress['phase'] | undefined;
  #bar: Progress | undefined;
  #done = 0;

  update({ phase, done, total }: PhaseProgress): void {
    if (phase !== this.#phase && phase !== 'swap') {
      // What comes in between, to stay near the log's end, is not worth a bar of its own.
      if (phase === 'fold' && this.#phase !== undefined) return;
      this.finish();
      this.#phase = phase;
      this.#bar = new Progress(COUNTED[phase]);
    }
    if (phase !== this.#phase) return;
    this.#done = done;
    this.#bar?.update(done, total);
  }

  finish(): void {
    this.#bar?.finish(this.#done);
    this.#bar = undefined;
  }

  abandon(): void {
    this.#bar?.abandon();
  }
}

function needsSummaries(outcome: RebuildOutcome): boolean {
  return (outcome.kind === 'swapped' || outcome.kind === 'settled') && outcome.summaries;
}

async function rebuildSummariesAlone(
  config: FoldConfig,
  pool: Pool,
  json: boolean,
  signal: AbortSignal,
): Promise<number> {
  await checkRedis(config);
  if (!(await askForSummaries(pool))) {
    const outcome: RebuildOutcome = { kind: 'refused', reason: 'nothing_projected' };
    process.stdout.write(json ? `${JSON.stringify(rebuildDocument(outcome))}\n` : rebuildText(outcome));
    return 1;
  }
  await buildSummaries(config, pool, signal);
  process.stdout.write(json ? `${JSON.stringify({ outcome: 'built' })}\n` : 'The summaries are built of the tables.\n');
  return 0;
}

/** Before anything is asked for: it would be waited for in silence. @throws ServerUnreachable */
async function checkRedis({ redis: settings }: FoldConfig): Promise<void> {
  let trouble: Error | undefined;
  const redis = openRedis(settings, REDIS_TIMEOUT_MS, (error) => {
    trouble ??= error;
  });
  try {
    if (!(await redisAnswered(redis))) throw new ServerUnreachable('Redis', trouble);
  } finally {
    redis.disconnect();
  }
}

async function buildSummaries(config: FoldConfig, pool: Pool, signal: AbortSignal): Promise<void> {
  const { databaseUrl, business, retentionDays } = config;
  const redis: Redis = openRedis(config.redis, REDIS_TIMEOUT_MS, () => undefined);
  const logger = createLogger('silent');
  try {
    const folding = { pool, redis, databaseUrl, business, retentionDays };
    await awaitSummaries({ ...folding, holder: HOLDER, logger, metrics: createServiceMetrics() }, signal);
  } finally {
    redis.disconnect();
  }
}

/** A dry run that finds differences has found something wrong; a rebuild that does has put it right. */
function statusOf(outcome: RebuildOutcome): number {
  if (outcome.kind === 'refused') return 1;
  if (outcome.kind !== 'compared') return 0;
  return outcome.report.days.some(({ difference }) => difference !== undefined) ? 1 : 0;
}
