import type { Pool, PoolClient } from 'pg';
import { viewKey } from './summary-schema.js';
import type { SummaryWindow } from './summary-windows.js';

/** How long the sessions of a window last. */
export interface SessionLengths {
  readonly sessions: number;
  /** Null without a session. */
  readonly averageSeconds: number | null;
  readonly p50Seconds: number | null;
  readonly p95Seconds: number | null;
}

/** What is kept in Redis, so that no query has to count sessions. */
export interface SessionLengthsView {
  readonly computedAtMs: number;
  readonly windows: Readonly<Record<SummaryWindow, SessionLengths>>;
}

export const SESSION_LENGTHS_KEY = viewKey('session_lengths');

/** A pause of a user that ends a session. Exactly this long does not end it yet. */
export const SESSION_GAP_SECONDS = 1_800;

/**
 * Counts the sessions of the user events in [fromMs, toMs). A session is one `metadata.session_id` (a text that is not
 * empty, or a number), whoever it belongs to; events without one make sessions of a user's events that lie no more than
 * 30 minutes apart. An event with neither session nor user belongs to none. A session lasts from its first event in the
 * window to its last there: a single event makes one of 0 seconds.
 */
export async function readSessionLengths(
  client: Pool | PoolClient,
  fromMs: number,
  toMs: number | null,
): Promise<SessionLengths> {
  const { rows } = await client.query<{ sessions: string; average_seconds: string | null }>(
    `with events as (
       select created_at, user_id,
         case when jsonb_typeof(metadata -> 'session_id') in ('string', 'number')
           then nullif(metadata ->> 'session_id', '') end as session_id
       from user_events
       where created_at >= $1 and ($2::timestamptz is null or created_at < $2)
     ),
     named as (
       select min(created_at) as first_at, max(created_at) as last_at
       from events
       where session_id is not null
       group by session_id
     ),
     marked as (
       select created_at, user_id,
         created_at - lag(created_at) over by_user > make_interval(secs => $3) as begins
       from events
       where session_id is null and user_id is not null
       window by_user as (partition by user_id order by created_at)
     ),
     numbered as (
       select created_at, user_id, count(*) filter (where begins) over by_user as session
       from marked
       window by_user as (partition by user_id order by created_at)
     ),
     unnamed as (
       select min(created_at) as first_at, max(created_at) as last_at
       from numbered
       group by user_id, session
     ),
     sessions as (
       select first_at, last_at from named
       union all
       select first_at, last_at from unnamed
     )
     select count(*) as sessions, extract(epoch from avg(last_at - first_at)) as average_seconds
     from sessions`,
    [new Date(fromMs), toMs === null ? null : new Date(toMs), SESSION_GAP_SECONDS],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('An aggregate gave no row');
  return {
    sessions: Number(row.sessions),
    averageSeconds: row.average_seconds === null ? null : Number(row.average_seconds),
    p50Seconds: null,
    p95Seconds: null,
  };
}

/** Reads the view back; undefined where it is absent or no view of ours. */
export function parseSessionLengths(text: string | null): SessionLengthsView | undefined {
  if (text === null) return undefined;
  const parsed: unknown = JSON.parse(text);
  return isView(parsed) ? parsed : undefined;
}

function isView(value: unknown): value is SessionLengthsView {
  return typeof value === 'object' && value !== null && 'computedAtMs' in value && 'windows' in value;
}
