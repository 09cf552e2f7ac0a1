import type { Pool, PoolClient } from 'pg';
import { SESSIONS_PROJECTION, TABLES_PROJECTION } from './checkpoints.js';
import { BUCKET_BOUNDS, percentile } from './log-buckets.js';
import { DAY_S, HOUR_S } from './summary-schema.js';

/** How long the sessions that began in a stretch of time last. */
export interface SessionLengths {
  readonly sessions: number;
  /** Exact; null without a session, as the percentiles are. */
  readonly averageSeconds: number | null;
  /** From buckets of milliseconds (src/store/log-buckets.ts). */
  readonly p50Seconds: number | null;
  readonly p95Seconds: number | null;
}

/** A pause of a user that ends a session. Exactly this long does not end it yet. */
export const SESSION_GAP_MS = 1_800_000;

/** `session_counts` holds the sessions by the day and by the hour (UTC) in which they began. */
export const SESSION_SPANS_S = [DAY_S, HOUR_S] as const;

/** A part of a range: whole days, whole hours, or what is left at an edge (`spanSeconds` 0). `toMs` is exclusive. */
export interface RangePart {
  readonly spanSeconds: number;
  readonly fromMs: number;
  /** Infinity for an open end. */
  readonly toMs: number;
}

/** Cuts a range into as few parts as there can be: days in the middle, hours around them, the rest at the edges. */
export function cutRange(
  fromMs: number,
  toMs: number,
  [span, ...shorter]: readonly number[] = SESSION_SPANS_S,
): RangePart[] {
  if (fromMs >= toMs) return [];
  if (span === undefined) return [{ spanSeconds: 0, fromMs, toMs }];
  const spanMs = span * 1000;
  const first = Math.ceil(fromMs / spanMs) * spanMs;
  const last = Math.floor(toMs / spanMs) * spanMs;
  if (first >= last) return cutRange(fromMs, toMs, shorter);
  return [
    ...cutRange(fromMs, first, shorter),
    { spanSeconds: span, fromMs: first, toMs: last },
    ...cutRange(last, toMs, shorter),
  ];
}

/** First values of the buckets from the second on, as an array of Postgres: `width_bucket` counts how many of them a value reaches. */
const BUCKET_STARTS = `{${BUCKET_BOUNDS.slice(0, -1)
  .map((bound) => bound + 1)
  .join(',')}}`;

interface CountRow {
  readonly bucket: number;
  readonly sessions: string;
  readonly length_ms: string;
}

/**
 * How long the sessions last that began in [fromMs, toMs). A session counts with its whole length, wherever it ends.
 * It is one `metadata.session_id` (a text that is not empty, or a number), whoever it belongs to; events without one
 * make sessions of a user's events that lie no more than 30 minutes apart. An event with neither belongs to none. A
 * single event makes a session of 0 seconds.
 *
 * @param toMs null for an open end
 * @returns null where sessions are not folded yet, or are being folded anew
 */
export async function readSessionLengths(
  client: Pool | PoolClient,
  fromMs: number,
  toMs: number | null,
): Promise<SessionLengths | null> {
  const parts = cutRange(fromMs, toMs ?? Number.POSITIVE_INFINITY);
  // One statement, so that it sees one state even where the caller's transaction does not keep one.
  const { rows } = await client.query<CountRow>(
    `with folded as (
       select from projection_checkpoints as own
       join projection_checkpoints as tables on tables.name = $5
       where own.name = $4
         and own.sequence between own.whole_from and tables.sequence
         and (own.sequence > 0 or tables.sequence = 0)
         and own.stream_created_at = tables.stream_created_at
     ),
     parts as (
       select * from unnest($1::integer[], $2::timestamptz[], $3::timestamptz[]) as part (span_seconds, from_at, to_at)
     ),
     counted as (
       select counts.bucket, counts.sessions, counts.length_ms
       from parts
       join session_counts as counts
         on counts.span_seconds = parts.span_seconds and starts_at >= from_at and starts_at < to_at
       union all
       select width_bucket(length_ms, $6::bigint[]), 1, length_ms
       from parts
       join sessions on first_at >= from_at and first_at < to_at
       cross join lateral (select (extract(epoch from last_at - first_at) * 1000)::bigint as length_ms) as lengths
       where parts.span_seconds = 0
     )
     select bucket, sum(sessions) as sessions, sum(length_ms) as length_ms
     from counted
     where exists (select from folded)
     group by bucket
     union all
     select -1, 0, 0 where exists (select from folded)`,
    [
      parts.map((part) => part.spanSeconds),
      parts.map((part) => instant(part.fromMs)),
      parts.map((part) => instant(part.toMs)),
      SESSIONS_PROJECTION,
      TABLES_PROJECTION,
      BUCKET_STARTS,
    ],
  );
  return rows.length === 0 ? null : summedUp(rows.filter(({ bucket }) => bucket >= 0));
}

function instant(timeMs: number): string {
  return Number.isFinite(timeMs) ? new Date(timeMs).toISOString() : 'infinity';
}

function summedUp(rows: readonly CountRow[]): SessionLengths {
  const buckets = new Map(rows.map(({ bucket, sessions }) => [bucket, Number(sessions)]));
  const sessions = rows.reduce((sum, row) => sum + Number(row.sessions), 0);
  const lengthMs = rows.reduce((sum, row) => sum + Number(row.length_ms), 0);
  const seconds = (milliseconds: number | null): number | null => (milliseconds === null ? null : milliseconds / 1000);
  return {
    sessions,
    averageSeconds: sessions === 0 ? null : lengthMs / 1000 / sessions,
    p50Seconds: seconds(percentile(buckets, 0.5)),
    p95Seconds: seconds(percentile(buckets, 0.95)),
  };
}
