import type { PoolClient } from 'pg';
import { MINUTES_ROLLED_UP_MS, type Stretch } from '../store/rollups.js';
import { DAY_S, HOUR_S, MINUTE_S } from '../store/summary-schema.js';

/** Lengths of rollups, the longest first. */
const GRAINS_S = [DAY_S, HOUR_S, MINUTE_S] as const;
export type GrainSeconds = (typeof GRAINS_S)[number];

/**
 * Days, hours and minutes in which there are events: start in ms since 1970 → whether their rollup contains all of them.
 * Minutes are known from `minutesFromMs` on.
 */
export interface TouchedSlices {
  readonly slices: Readonly<Record<GrainSeconds, ReadonlyMap<number, boolean>>>;
  readonly minutesFromMs: number;
}

/** A range by what answers for each part of it. Together they are the range, but for what no event was ever seen of. */
export interface RollupCover {
  /** Starts of rollups that are up to date, ms since 1970. */
  readonly rollups: Readonly<Record<GrainSeconds, readonly number[]>>;
  /** What is counted in the tables. */
  readonly stretches: readonly Stretch[];
}

/**
 * Covers a range with as few and as large parts as can be, of which none lies across two intervals.
 *
 * @param intervalSeconds of intervals that are counted from 1970
 */
export function coverRange(
  range: Stretch,
  intervalSeconds: number,
  { slices, minutesFromMs }: TouchedSlices,
): RollupCover {
  const rollups = { [DAY_S]: [] as number[], [HOUR_S]: [] as number[], [MINUTE_S]: [] as number[] };
  const stretches: { fromMs: number; toMs: number }[] = [];
  const count = (fromMs: number, toMs: number): void => {
    const last = stretches.at(-1);
    if (last?.toMs === fromMs) last.toMs = toMs;
    else stretches.push({ fromMs, toMs });
  };
  const cover = (fromMs: number, toMs: number, level: number): void => {
    const grain = GRAINS_S[level];
    // Minutes within an interval of 97 seconds are of no use.
    if (grain === undefined || (grain === MINUTE_S && intervalSeconds % MINUTE_S !== 0)) return count(fromMs, toMs);
    const grainMs = grain * 1000;
    for (let at = fromMs; at < toMs; ) {
      const startMs = Math.floor(at / grainMs) * grainMs;
      const endMs = Math.min(startMs + grainMs, toMs);
      const isWhole = at === startMs && endMs === startMs + grainMs;
      const isUpToDate = grain === MINUTE_S && startMs < minutesFromMs ? false : slices[grain].get(startMs);
      if (isUpToDate !== undefined) {
        if (isWhole && isUpToDate && intervalSeconds % grain === 0) rollups[grain].push(startMs);
        else cover(at, endMs, level + 1);
      }
      at = endMs;
    }
  };
  cover(range.fromMs, range.toMs, 0);
  return { rollups, stretches };
}

interface TouchedRow {
  readonly seconds: GrainSeconds;
  readonly starts_at_s: number;
  /** Log position that last touched it; null for a day, which is what its hours are. */
  readonly touched: string | null;
  /** Log position that its rollup contains; null without one. */
  readonly rolled_up: string | null;
}

/** Finds what there is of a range in a snapshot. */
export async function readTouched(client: PoolClient, range: Stretch, nowMs: number): Promise<TouchedSlices> {
  const minutesFromMs = Math.ceil((nowMs - MINUTES_ROLLED_UP_MS) / (MINUTE_S * 1000)) * MINUTE_S * 1000;
  const { rows } = await client.query<TouchedRow>(
    `select seconds, extract(epoch from marks.starts_at)::float8 as starts_at_s, marks.sequence as touched,
       rollups.sequence as rolled_up
     from rollup_marks as marks
     left join rollups using (seconds, starts_at)
     where seconds = ${HOUR_S} and marks.starts_at >= $1 and marks.starts_at < $2
       or seconds = ${MINUTE_S} and marks.starts_at >= greatest($1, $3) and marks.starts_at < $2
     union all
     select seconds, extract(epoch from starts_at)::float8, null, sequence
     from rollups
     where seconds = ${DAY_S} and starts_at >= $1 and starts_at < $2`,
    [new Date(Math.floor(range.fromMs / DAY_MS) * DAY_MS), new Date(range.toMs), new Date(minutesFromMs)],
  );
  return { slices: judge(rows), minutesFromMs };
}

const DAY_MS = DAY_S * 1000;

function judge(rows: readonly TouchedRow[]): TouchedSlices['slices'] {
  const slices = {
    [DAY_S]: new Map<number, boolean>(),
    [HOUR_S]: new Map<number, boolean>(),
    [MINUTE_S]: new Map<number, boolean>(),
  };
  const daysTouched = new Map<number, number>();
  const daysRolledUp = new Map<number, number>();
  for (const { seconds, starts_at_s: startsAtS, touched, rolled_up: rolledUp } of rows) {
    if (touched === null) {
      daysRolledUp.set(startsAtS * 1000, Number(rolledUp));
      continue;
    }
    slices[seconds].set(startsAtS * 1000, rolledUp !== null && Number(rolledUp) >= Number(touched));
    if (seconds !== HOUR_S) continue;
    const day = Math.floor(startsAtS / DAY_S) * DAY_MS;
    daysTouched.set(day, Math.max(daysTouched.get(day) ?? 0, Number(touched)));
  }
  for (const [day, touched] of daysTouched) slices[DAY_S].set(day, (daysRolledUp.get(day) ?? -1) >= touched);
  return slices;
}
