import type { PoolClient } from 'pg';
import { MINUTES_ROLLED_UP_MS, type Stretch } from '../store/rollups.js';
import { HOUR_S, MINUTE_S } from '../store/summary-schema.js';

const HOUR_MS = HOUR_S * 1000;
const MINUTE_MS = MINUTE_S * 1000;

/** A range by what answers for each part of it. Together they are the range, but for what no event was ever seen of. */
export interface RollupCover {
  /** Starts of hours and minutes whose rollups are up to date, ms since 1970. */
  readonly hours: readonly number[];
  readonly minutes: readonly number[];
  /** What is counted in the tables. */
  readonly stretches: readonly Stretch[];
}

/** Hours or minutes in which there are events, and whether their rollup contains all of them. */
export type TouchedSlices = ReadonlyMap<number, boolean>;

/**
 * Covers a range with as few and as large parts as can be, of which none lies across two intervals.
 *
 * @param intervalSeconds of intervals that are counted from 1970
 * @param minutesFromMs from where on minutes are known
 */
export function coverRange(
  range: Stretch,
  intervalSeconds: number,
  hours: TouchedSlices,
  minutes: TouchedSlices,
  minutesFromMs: number,
): RollupCover {
  const cover = { hours: [] as number[], minutes: [] as number[], stretches: [] as { fromMs: number; toMs: number }[] };
  const count = (fromMs: number, toMs: number): void => {
    const last = cover.stretches.at(-1);
    if (last?.toMs === fromMs) last.toMs = toMs;
    else cover.stretches.push({ fromMs, toMs });
  };
  const byMinutes = (fromMs: number, toMs: number): void => {
    if (intervalSeconds % MINUTE_S !== 0) return count(fromMs, toMs);
    for (let at = fromMs; at < toMs; ) {
      const startMs = Math.floor(at / MINUTE_MS) * MINUTE_MS;
      const endMs = Math.min(startMs + MINUTE_MS, toMs);
      const isWhole = at === startMs && endMs === startMs + MINUTE_MS;
      const isRolledUp = startMs < minutesFromMs ? false : minutes.get(startMs);
      if (isRolledUp !== undefined) {
        if (isWhole && isRolledUp) cover.minutes.push(startMs);
        else count(at, endMs);
      }
      at = endMs;
    }
  };
  for (let at = range.fromMs; at < range.toMs; ) {
    const startMs = Math.floor(at / HOUR_MS) * HOUR_MS;
    const endMs = Math.min(startMs + HOUR_MS, range.toMs);
    const isWhole = at === startMs && endMs === startMs + HOUR_MS;
    const isRolledUp = hours.get(startMs);
    if (isRolledUp !== undefined) {
      if (isWhole && isRolledUp && intervalSeconds % HOUR_S === 0) cover.hours.push(startMs);
      else byMinutes(at, endMs);
    }
    at = endMs;
  }
  return cover;
}

/** The grain of rollups that a range is covered by where it is not cut into intervals. */
export function grainOf(fromMs: number): number {
  return fromMs % HOUR_MS === 0 ? HOUR_S : MINUTE_S;
}

/** Finds what rollups a snapshot has for a range. */
export async function readCover(
  client: PoolClient,
  range: Stretch,
  intervalSeconds: number,
  nowMs: number,
): Promise<RollupCover> {
  const minutesFromMs = Math.ceil((nowMs - MINUTES_ROLLED_UP_MS) / MINUTE_MS) * MINUTE_MS;
  const { rows } = await client.query<{ seconds: number; starts_at: Date; up_to_date: boolean }>(
    `select seconds, marks.starts_at, coalesce(rollups.sequence >= marks.sequence, false) as up_to_date
     from rollup_marks as marks
     left join rollups using (seconds, starts_at)
     where seconds = $3 and marks.starts_at > $1::timestamptz - interval '1 hour' and marks.starts_at < $2
       or seconds = $4 and marks.starts_at > $1::timestamptz - interval '1 minute' and marks.starts_at < $2
         and marks.starts_at >= $5`,
    [new Date(range.fromMs), new Date(range.toMs), HOUR_S, MINUTE_S, new Date(minutesFromMs)],
  );
  const touched = (wanted: number): TouchedSlices =>
    new Map(
      rows
        .filter(({ seconds }) => seconds === wanted)
        .map(({ starts_at: startsAt, up_to_date: upToDate }) => [startsAt.getTime(), upToDate]),
    );
  return coverRange(range, intervalSeconds, touched(HOUR_S), touched(MINUTE_S), minutesFromMs);
}
