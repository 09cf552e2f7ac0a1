import type { PoolClient } from 'pg';
import { type Checkpoint, readCheckpoint, TABLES_PROJECTION } from '../../store/checkpoints.js';
import { keepDays } from '../../store/counters.js';
import { firstKeptDay, isoDate } from '../../store/partitions.js';
import { cancelWhenAborted, inTransaction } from '../../store/postgres.js';
import { memoizedRoutes } from '../../store/route.js';
import { EVENTS_STREAM, findStream } from '../../stream/streams.js';
import { checkLog } from '../check-log.js';
import type { SummariesReport } from './compare-summaries.js';
import { type LogParts, MAX_AHEAD_OF_LOG_MS, readLog, readLogStart } from './log-source.js';
import { type DayRange, RowCursor } from './row-cursor.js';
import { SerialClient } from './serial-client.js';
import { SummariesPart, type SummariesParts } from './summaries-part.js';
import { TableComparison } from './table-comparison.js';
import { isEqualDay, type TableReport } from './tally.js';

export interface VerifyParts extends LogParts, SummariesParts {}

export interface VerifyOptions {
  /** Days, as `dayOf` counts them, both included; undefined for everything. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly signal?: AbortSignal;
  /** Told of messages read, and how many there are. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** What a verification found. */
export interface VerifyReport {
  /** Whether everything is as the log says. */
  readonly equal: boolean;
  /** The position of the tables that were compared. */
  readonly sequence: number;
  readonly days: { readonly from: string | null; readonly to: string | null };
  readonly log: {
    readonly first_sequence: number;
    readonly events: number;
    /** Messages that are no events; they lie among the dead letters. */
    readonly refused: number;
    /** Events whose id was there already. */
    readonly duplicates: number;
  };
  readonly tables: readonly TableReport[];
  /** Changed rows that are as the log says but for IP addresses: another METRICS_IP_ADDRESSES has folded them. */
  readonly changed_in_addresses_alone: number;
  /** Rows that nothing can be said of. */
  readonly not_compared: {
    /** Their messages have left the log. */
    readonly rows_before_log: number;
    /** Their days are older than the retention. */
    readonly rows_past_retention: number;
  };
  readonly summaries: SummariesReport;
}

export type VerifyOutcome =
  | { readonly kind: 'compared'; readonly report: VerifyReport }
  /** The stream is not the one that the tables were folded of. */
  | { readonly kind: 'different_log'; readonly reason: string };

/** Postgres ends a session that waits longer within a transaction: the log is read meanwhile. */
const IDLE_TIMEOUT = '60s';
const SORT_MEMORY = '32MB';
const OUTBOX_INTERVAL_MS = 10_000;
const MAX_ROUTES_REMEMBERED = 50_000;
const DAY_MS = 86_400_000;
const NEVER = new AbortController().signal;

/**
 * Folds the log in memory and compares it with the tables, as of one snapshot of theirs, and with the summaries in Redis.
 * Others go on meanwhile: what comes later is left out of the tables' part, and taken along in that of Redis.
 *
 * @throws FeedBroken, NatsError, what Postgres says, or the signal's reason; of a Redis that is away the report tells
 */
export async function verify(parts: VerifyParts, options: VerifyOptions = {}): Promise<VerifyOutcome> {
  const signal = options.signal ?? NEVER;
  const summaries = new SummariesPart(parts, daysOf(options), signal);
  try {
    const tables = await inTransaction(
      parts.pool,
      async (client) => {
        await prepareSession(client);
        const unwatch = await cancelWhenAborted(parts.pool, client, signal);
        try {
          return await compareTables(client, parts, options, summaries, signal);
        } finally {
          unwatch();
        }
      },
      'begin isolation level repeatable read read only',
    );
    if ('kind' in tables) return tables;
    const report = { ...tables, summaries: await summaries.compare() };
    const isEqual = report.tables.every(({ days }) => days.every(isEqualDay)) && isSame(report.summaries);
    return { kind: 'compared', report: { equal: isEqual, ...report } };
  } finally {
    await summaries.remove();
  }
}

function isSame(summaries: SummariesReport): boolean {
  return summaries.state === 'compared' && summaries.differing_fields === 0;
}

async function prepareSession(client: PoolClient): Promise<void> {
  // Before the first snapshot: a day that is dropped after it would be in neither the tables nor the counters' base.
  await keepDays(client);
  await client.query(
    `set local idle_in_transaction_session_timeout = '${IDLE_TIMEOUT}'; set local work_mem = '${SORT_MEMORY}';
     set local statement_timeout = '1h'; set local datestyle = 'ISO'; set local timezone = 'UTC'`,
  );
}

/** The days that were asked for. */
function daysOf({ from, to }: VerifyOptions): DayRange {
  return { first: from ?? Number.NEGATIVE_INFINITY, last: to ?? Number.POSITIVE_INFINITY };
}

type TablesPart = Omit<VerifyReport, 'equal' | 'summaries'>;
type DifferentLog = Extract<VerifyOutcome, { kind: 'different_log' }>;

async function compareTables(
  client: PoolClient,
  parts: VerifyParts,
  options: VerifyOptions,
  summaries: SummariesPart,
  signal: AbortSignal,
): Promise<TablesPart | DifferentLog> {
  const checkpoint = await readCheckpoint(client, TABLES_PROJECTION);
  const reason = checkpoint === undefined ? undefined : await otherLog(parts, checkpoint);
  if (reason !== undefined) return { kind: 'different_log', reason };
  const sequence = checkpoint?.sequence ?? 0;
  const asked = daysOf(options);
  await summaries.begin(client, sequence);
  const session = new SerialClient(client);
  const comparison = new TableComparison(session, await openCursors(session, asked), {
    routeOf: memoizedRoutes(MAX_ROUTES_REMEMBERED),
    // Days before may have been dropped, or be dropped at any time.
    days: { ...asked, first: Math.max(asked.first, firstKeptDay(parts.now(), parts.retentionDays)) },
    logStart: () => readLogStart(parts.manager),
  });
  const start = await readLogStart(parts.manager);
  let read: { events: number; refused: number };
  try {
    read = await foldLog(parts, comparison, summaries, { asked, sequence, signal, onProgress: options.onProgress });
    await summaries.add(await comparison.finish());
  } finally {
    // What was asked ahead is not left behind to the end of the transaction.
    await session.idle();
  }
  await summaries.settle();
  const { duplicates, beforeLog, pastRetention, otherAddresses } = comparison.counts;
  return {
    sequence,
    days: { from: nameDay(options.from), to: nameDay(options.to) },
    log: { first_sequence: start.sequence, ...read, duplicates },
    tables: comparison.tally.report(),
    changed_in_addresses_alone: otherAddresses,
    not_compared: { rows_before_log: beforeLog, rows_past_retention: pastRetention },
  };
}

/** What is other about the log than when the tables were folded of it; undefined where it is the same. */
async function otherLog({ manager, codec, pool }: VerifyParts, checkpoint: Checkpoint): Promise<string | undefined> {
  const stream = await findStream(manager, EVENTS_STREAM);
  if (stream === undefined) return `The stream ${EVENTS_STREAM} does not exist`;
  const verdict = await checkLog(manager, stream, checkpoint, codec, pool);
  return verdict.kind === 'different_log' ? verdict.reason : undefined;
}

async function openCursors(client: SerialClient, days: DayRange) {
  return {
    user_events: await RowCursor.open(client, 'user_events', days),
    system_metrics: await RowCursor.open(client, 'system_metrics', days),
    api_metrics: await RowCursor.open(client, 'api_metrics', days),
  };
}

interface LogStretch {
  readonly asked: DayRange;
  readonly sequence: number;
  readonly signal: AbortSignal;
  readonly onProgress: VerifyOptions['onProgress'];
}

async function foldLog(
  parts: VerifyParts,
  comparison: TableComparison,
  summaries: SummariesPart,
  { asked, sequence, signal, onProgress }: LogStretch,
): Promise<{ events: number; refused: number }> {
  const read = { events: 0, refused: 0 };
  let begun: number | undefined;
  let followedMs = performance.now();
  for await (const chunk of readLog(parts, earliestStored(asked), sequence, signal)) {
    await summaries.add(await comparison.take(chunk));
    read.events += chunk.events.length;
    read.refused += chunk.refused;
    begun ??= chunk.lastSequence - chunk.events.length - chunk.refused;
    onProgress?.(chunk.lastSequence - begun, sequence - begun);
    if (performance.now() - followedMs > OUTBOX_INTERVAL_MS) {
      followedMs = performance.now();
      await summaries.follow();
    }
  }
  return read;
}

/** When the first event of these days can have been stored, ms since 1970; undefined for all. */
function earliestStored({ first }: DayRange): number | undefined {
  return Number.isFinite(first) ? first * DAY_MS - MAX_AHEAD_OF_LOG_MS : undefined;
}

function nameDay(day: number | undefined): string | null {
  return day === undefined ? null : isoDate(day);
}
