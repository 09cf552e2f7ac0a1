import type { Pool, PoolClient } from 'pg';
import {
  type Checkpoint,
  lockCheckpoint,
  moveCheckpoint,
  readCheckpoints,
  restartCheckpoint,
  SESSIONS_PROJECTION,
  TABLES_PROJECTION,
} from '../store/checkpoints.js';
import { inTransaction } from '../store/postgres.js';
import { DAY_S } from '../store/summary-schema.js';
import {
  type CountChange,
  countChanges,
  gapMsOf,
  mergeSessions,
  placeOf,
  type Session,
  type SessionChanges,
} from './sessions.js';

/** Most events of the log, of whatever kind, that one transaction folds. */
export const EVENTS_PER_FOLD = 20_000;
const ROWS_PER_DELETE = 20_000;
const DAY_MS = DAY_S * 1000;

/**
 * What one step did, and where the sessions stand: `idle` where there was nothing to do. Until they are whole, nobody
 * reads them.
 */
export type FoldStep =
  | { readonly kind: 'idle' | 'folded' | 'emptied' | 'begun_anew'; readonly sequence: number; readonly whole: boolean }
  /** A later epoch has begun. Nothing was written. */
  | { readonly kind: 'fenced' };

/** What is to be done next, from where the two projections stand. */
export type NextStep = 'wait' | 'fold' | 'empty' | 'begin_anew';

/**
 * `begin_anew`: the tables are behind the sessions, or were folded from another stream, or rows of their past were
 * changed, so the sessions are of what is no more. A sequence of 0 stands for sessions that are to be emptied before they are
 * folded from the beginning.
 */
export function nextStep(own: Checkpoint, tables: Checkpoint | undefined): NextStep {
  if (tables === undefined || (own.sequence === 0 && tables.sequence === 0)) return 'wait';
  if (own.sequence === 0) return 'empty';
  if (own.sequence > tables.sequence || own.streamCreatedAt !== tables.streamCreatedAt) return 'begin_anew';
  if (own.generation !== tables.generation) return 'begin_anew';
  return own.sequence < tables.sequence ? 'fold' : 'wait';
}

/**
 * Brings the sessions one bounded step nearer to the tables. Sessions, counts and checkpoint move in one transaction.
 *
 * @param epoch the one that this process began
 */
export async function foldSessions(pool: Pool, epoch: number): Promise<FoldStep> {
  // At once: a generation that both were given in one transaction must not look like two.
  const checkpoints = await readCheckpoints(pool, [SESSIONS_PROJECTION, TABLES_PROJECTION]);
  const own = checkpoints.get(SESSIONS_PROJECTION);
  const tables = checkpoints.get(TABLES_PROJECTION);
  if (own === undefined || own.epoch !== epoch) return { kind: 'fenced' };
  const next = nextStep(own, tables);
  if (tables === undefined || next === 'wait') return { kind: 'idle', sequence: own.sequence, whole: true };
  if (next === 'fold') return await foldBatch(pool, own, Math.min(own.sequence + EVENTS_PER_FOLD, tables.sequence));
  if (next === 'empty') return await emptyAndBegin(pool, own, tables);
  // Committed before anything is emptied: from now on readers take no number from what is left.
  const { streamCreatedAt, generation } = tables;
  const restart = { sequence: 0, wholeFrom: tables.sequence, streamCreatedAt, generation };
  if (!(await restartCheckpoint(pool, SESSIONS_PROJECTION, own, restart))) return { kind: 'fenced' };
  return { kind: 'begun_anew', sequence: 0, whole: false };
}

/**
 * Deletes a bounded number of rows; where none is left, the fold begins before the first event of the tables. Not by
 * TRUNCATE: a reader whose snapshot is older would see empty tables.
 */
async function emptyAndBegin(pool: Pool, own: Checkpoint, tables: Checkpoint): Promise<FoldStep> {
  for (const table of ['sessions', 'session_counts']) {
    const { rowCount } = await pool.query(
      `delete from ${table} where ctid = any (array(select ctid from ${table} limit $1))`,
      [ROWS_PER_DELETE],
    );
    if (rowCount !== 0) return { kind: 'emptied', sequence: 0, whole: false };
  }
  const { rows } = await pool.query<{ first: string | null }>('select min(stream_seq) as first from user_events');
  // A log whose beginning has expired begins far behind sequence 1.
  const before = Number(rows[0]?.first ?? tables.sequence) - 1;
  const sequence = Math.min(before + EVENTS_PER_FOLD, tables.sequence);
  const { streamCreatedAt, generation } = tables;
  const to = { sequence, wholeFrom: tables.sequence, streamCreatedAt, generation };
  return await inTransaction(pool, async (client) => {
    if (!(await restartCheckpoint(client, SESSIONS_PROJECTION, own, to))) return { kind: 'fenced' };
    await foldRows(client, before, sequence);
    return { kind: 'folded', sequence, whole: sequence >= to.wholeFrom };
  });
}

async function foldBatch(pool: Pool, own: Checkpoint, sequence: number): Promise<FoldStep> {
  return await inTransaction(pool, async (client) => {
    const progress = { sequence, lastEventId: '', lastStoredAtMs: 0 };
    // First of all, so that two that believe that they lead never wait for each other over sessions.
    if (!(await moveCheckpoint(client, SESSIONS_PROJECTION, own, progress))) return { kind: 'fenced' };
    await foldRows(client, own.sequence, sequence);
    return { kind: 'folded', sequence, whole: sequence >= own.wholeFrom };
  });
}

async function foldRows(client: PoolClient, afterSequence: number, sequence: number): Promise<void> {
  const events = await readEvents(client, afterSequence, sequence);
  if (events.length === 0) return;
  const changes = mergeSessions(await readSessions(client, events), events);
  await deleteSessions(client, changes);
  await upsertSessions(client, changes.added);
  await addCounts(client, countChanges(changes));
}

interface SessionRow {
  readonly session_key: string;
  readonly first_ms: string;
  readonly last_ms: string;
}

const toSession = (row: SessionRow): Session => ({
  key: row.session_key,
  firstMs: Number(row.first_ms),
  lastMs: Number(row.last_ms),
});

/** Rows of user events with the key of their session, null where they belong to none. */
function keyedEvents(source: string): string {
  return `select time_ms, case
       when length(session_id) > 128 then 'id:sha256:' || encode(sha256(convert_to(session_id, 'UTF8')), 'hex')
       when session_id is not null then 'id:' || session_id
       else 'user:' || user_id end as session_key
     from (
       select (extract(epoch from created_at) * 1000)::bigint as time_ms, user_id,
         case when jsonb_typeof(metadata -> 'session_id') in ('string', 'number')
           then nullif(metadata ->> 'session_id', '') end as session_id
       from ${source}
     ) as events`;
}

/** The user events of a stretch of the log, by session; those that belong to none are left out. */
async function readEvents(client: PoolClient, afterSequence: number, sequence: number): Promise<Session[]> {
  const { rows } = await client.query<{ session_key: string; time_ms: string }>(
    `select session_key, time_ms
     from (${keyedEvents('user_events where stream_seq > $1 and stream_seq <= $2')}) as keyed
     where session_key is not null`,
    [afterSequence, sequence],
  );
  return rows.map(({ session_key: key, time_ms: time }) => ({ key, firstMs: Number(time), lastMs: Number(time) }));
}

/**
 * Deletes the sessions of events that were taken out of the tables, in the transaction that did so. Their keys name people;
 * the counts do not, and are made anew with the next generation.
 *
 * @param table with columns like those of user_events
 */
export async function deleteSessionsOf(client: PoolClient, table: string): Promise<void> {
  // As the fold does before it touches a session, so that the two never wait for each other over sessions.
  await lockCheckpoint(client, SESSIONS_PROJECTION);
  await client.query(
    `delete from sessions where session_key in (select session_key from (${keyedEvents(table)}) as keyed)`,
  );
}

/** The sessions that new events may belong to or join. */
async function readSessions(client: PoolClient, events: readonly Session[]): Promise<Session[]> {
  const stretches = new Map<string, { fromMs: number; toMs: number }>();
  for (const { key, firstMs } of events) {
    const { fromMs, toMs } = stretches.get(key) ?? { fromMs: firstMs, toMs: firstMs };
    stretches.set(key, { fromMs: Math.min(fromMs, firstMs), toMs: Math.max(toMs, firstMs) });
  }
  const instant = (timeMs: number): string => (Number.isFinite(timeMs) ? new Date(timeMs).toISOString() : `${timeMs}`);
  const touched = [...stretches];
  const { rows } = await client.query<SessionRow>(
    `select session_key, (extract(epoch from first_at) * 1000)::bigint as first_ms,
            (extract(epoch from last_at) * 1000)::bigint as last_ms
     from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) as touched (key, from_at, to_at)
     cross join lateral (
       select session_key, first_at, last_at
       from sessions
       where session_key = key and first_at <= to_at and last_at >= from_at
       -- Keeps the planner from reading all sessions once rather than a few by the index.
       offset 0
     ) as near`,
    [
      touched.map(([key]) => key),
      touched.map(([key, { fromMs }]) => instant(fromMs - gapMsOf(key))),
      touched.map(([key, { toMs }]) => instant(toMs + gapMsOf(key))),
    ],
  );
  return rows.map(toSession);
}

/** Deletes those whose place no added session takes. */
async function deleteSessions(client: PoolClient, { removed, added }: SessionChanges): Promise<void> {
  const taken = new Set(added.map(placeOf));
  const sessions = removed.filter((session) => !taken.has(placeOf(session)));
  if (sessions.length === 0) return;
  await client.query(
    `delete from sessions
     using unnest($1::text[], $2::bigint[]) as gone (key, first_ms)
     where session_key = key and first_at = to_timestamp(first_ms / 1000.0)`,
    [sessions.map(({ key }) => key), sessions.map(({ firstMs }) => firstMs)],
  );
}

/** A session that only goes on longer is updated where it is. */
async function upsertSessions(client: PoolClient, sessions: readonly Session[]): Promise<void> {
  await client.query(
    `insert into sessions (session_key, first_at, last_at)
     select key, to_timestamp(first_ms / 1000.0), to_timestamp(last_ms / 1000.0)
     from unnest($1::text[], $2::bigint[], $3::bigint[]) as fresh (key, first_ms, last_ms)
     on conflict (session_key, first_at) do update set last_at = excluded.last_at`,
    [sessions.map(({ key }) => key), sessions.map(({ firstMs }) => firstMs), sessions.map(({ lastMs }) => lastMs)],
  );
}

async function addCounts(client: PoolClient, changes: readonly CountChange[]): Promise<void> {
  const column = (name: keyof CountChange): number[] => changes.map((change) => change[name]);
  await client.query(
    `insert into session_counts as counts (span_seconds, starts_at, bucket, sessions, length_ms)
     select span_seconds, to_timestamp(starts_at_ms / 1000.0), bucket, sessions, length_ms
     from unnest($1::integer[], $2::bigint[], $3::integer[], $4::bigint[], $5::bigint[])
       as change (span_seconds, starts_at_ms, bucket, sessions, length_ms)
     on conflict (span_seconds, starts_at, bucket) do update
       set sessions = counts.sessions + excluded.sessions, length_ms = counts.length_ms + excluded.length_ms`,
    [column('spanSeconds'), column('startsAtMs'), column('bucket'), column('sessions'), column('lengthMs')],
  );
}

/**
 * Deletes sessions, and counts of them, that began before the retention, by whole days (UTC), and counts of nothing.
 *
 * @returns whether there may be more to delete
 */
export async function dropExpiredSessions(pool: Pool, nowMs: number, retentionDays: number): Promise<boolean> {
  const before = new Date(Math.floor((nowMs - retentionDays * DAY_MS) / DAY_MS) * DAY_MS);
  const { rowCount } = await pool.query(
    `delete from sessions
     where ctid = any (array(select ctid from sessions where first_at < $1 order by first_at limit $2))`,
    [before, ROWS_PER_DELETE],
  );
  if (rowCount === ROWS_PER_DELETE) return true;
  await pool.query('delete from session_counts where starts_at < $1 or sessions = 0', [before]);
  return false;
}
