import { bucketOf } from '../store/log-buckets.js';
import { SESSION_GAP_MS, SESSION_SPANS_S } from '../store/session-lengths.js';

/** A session, or a single event of one. Times are ms since 1970. */
export interface Session {
  /** `id:<session id>` or `user:<user id>`. */
  readonly key: string;
  readonly firstMs: number;
  readonly lastMs: number;
}

/** What is to be done so that the sessions contain new events. */
export interface SessionChanges {
  readonly removed: readonly Session[];
  readonly added: readonly Session[];
}

/** By how much the number of sessions of one length, begun in one hour or day, changes. */
export interface CountChange {
  readonly spanSeconds: number;
  readonly startsAtMs: number;
  /** Of the length in milliseconds (src/store/log-buckets.ts). */
  readonly bucket: number;
  sessions: number;
  lengthMs: number;
}

/** A session with an id goes on whatever its gaps; one without ends with a gap. */
export function gapMsOf(key: string): number {
  return key.startsWith('id:') ? Number.POSITIVE_INFINITY : SESSION_GAP_MS;
}

/**
 * Takes new events into sessions. Late ones may join two sessions into one, or begin one earlier. The outcome does not
 * depend on the order in which events arrive.
 *
 * @param existing the sessions of the events' keys: at least those that lie within a gap of the stretch from a key's
 *   first new event to its last
 * @param events in any order
 */
export function mergeSessions(existing: readonly Session[], events: readonly Session[]): SessionChanges {
  const known = new Map(existing.map((session) => [placeOf(session), session]));
  const added = joined([...existing, ...events]).filter((session) => {
    const before = known.get(placeOf(session));
    if (before?.lastMs !== session.lastMs) return true;
    known.delete(placeOf(session));
    return false;
  });
  return { removed: [...known.values()], added };
}

/** The sessions that all these make together, no two of which lie within a gap. */
function joined(sessions: readonly Session[]): Session[] {
  const result: Session[] = [];
  let current: Session | undefined;
  for (const next of [...sessions].sort(byKeyAndTime)) {
    if (current?.key === next.key && next.firstMs - current.lastMs <= gapMsOf(next.key)) {
      current = { ...current, lastMs: Math.max(current.lastMs, next.lastMs) };
    } else {
      if (current !== undefined) result.push(current);
      current = next;
    }
  }
  if (current !== undefined) result.push(current);
  return result;
}

function byKeyAndTime(a: Session, b: Session): number {
  if (a.key !== b.key) return a.key < b.key ? -1 : 1;
  return a.firstMs - b.firstMs;
}

/** Identifies a session. */
export function placeOf({ key, firstMs }: Session): string {
  return `${firstMs} ${key}`;
}

/** What the changes do to the numbers of sessions by hour, day and length. Each place is there once, none without a change. */
export function countChanges({ removed, added }: SessionChanges): CountChange[] {
  const changes = new Map<string, CountChange>();
  const count = ({ firstMs, lastMs }: Session, sign: 1 | -1): void => {
    const lengthMs = lastMs - firstMs;
    const bucket = bucketOf(lengthMs);
    for (const spanSeconds of SESSION_SPANS_S) {
      const startsAtMs = Math.floor(firstMs / (spanSeconds * 1000)) * spanSeconds * 1000;
      const place = `${spanSeconds} ${startsAtMs} ${bucket}`;
      const change = changes.get(place) ?? { spanSeconds, startsAtMs, bucket, sessions: 0, lengthMs: 0 };
      change.sessions += sign;
      change.lengthMs += sign * lengthMs;
      changes.set(place, change);
    }
  };
  for (const session of removed) count(session, -1);
  for (const session of added) count(session, 1);
  return [...changes.values()].filter(({ sessions, lengthMs }) => sessions !== 0 || lengthMs !== 0);
}
