import type { PoolClient } from 'pg';
import {
  type AddedUpSeconds,
  MINUTES_ROLLED_UP_MS,
  PARTS_OF,
  ROLLUP_SECONDS,
  type RollupSeconds,
  type Stretch,
} from '../store/rollups.js';
import { DAY_S, FIVE_MINUTES_S, HOUR_S, MINUTE_S } from '../store/summary-schema.js';

/**
 * Stretches of each length in which there are events: start in ms since 1970 → whether their rollup contains all of them.
 * Those below an hour are known from `minutesFromMs` on.
 */
export interface TouchedSlices {
  readonly slices: Readonly<Record<RollupSeconds, ReadonlyMap<number, boolean>>>;
  readonly minutesFromMs: number;
}

/** A range by what answers for each part of it. Together they are the range, but for what no event was ever seen of. */
export interface RollupCover {
  /** Starts of rollups that are up to date, ms since 1970. */
  readonly rollups: Readonly<Record<RollupSeconds, readonly number[]>>;
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
  const rollups = bySeconds(() => [] as number[]);
  const stretches: { fromMs: number; toMs: number }[] = [];
  const count = (fromMs: number, toMs: number): void => {
    const last = stretches.at(-1);
    if (last?.toMs === fromMs) last.toMs = toMs;
    else stretches.push({ fromMs, toMs });
  };
  const cover = (fromMs: number, toMs: number, level: number): void => {
    const grain = ROLLUP_SECONDS[level];
    // Minutes within an interval of 97 seconds are of no use.
    if (grain === undefined || (grain < HOUR_S && intervalSeconds % MINUTE_S !== 0)) return count(fromMs, toMs);
    const grainMs = grain * 1000;
    for (let at = fromMs; at < toMs; ) {
      const startMs = Math.floor(at / grainMs) * grainMs;
      const endMs = Math.min(startMs + grainMs, toMs);
      const isWhole = at === startMs && endMs === startMs + grainMs;
      const isUpToDate = grain < HOUR_S && startMs < minutesFromMs ? false : slices[grain].get(startMs);
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
  readonly seconds: RollupSeconds;
  readonly starts_at_s: number;
  /** Log position that last touched it; null for what is added up, which is what its parts are. */
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
     where seconds in (${DAY_S}, ${FIVE_MINUTES_S}) and starts_at >= $1 and starts_at < $2`,
    [new Date(Math.floor(range.fromMs / DAY_MS) * DAY_MS), new Date(range.toMs), new Date(minutesFromMs)],
  );
  return { slices: judge(rows), minutesFromMs };
}

const DAY_MS = DAY_S * 1000;

function judge(rows: readonly TouchedRow[]): TouchedSlices['slices'] {
  const slices = bySeconds(() => new Map<number, boolean>());
  const wholes = Object.entries(PARTS_OF).map(
    ([seconds, parts]) => new AddedUp(Number(seconds) as AddedUpSeconds, parts),
  );
  for (const { seconds, starts_at_s: startsAtS, touched, rolled_up: rolledUp } of rows) {
    const startMs = startsAtS * 1000;
    if (touched !== null) slices[seconds].set(startMs, rolledUp !== null && Number(rolledUp) >= Number(touched));
    for (const whole of wholes) {
      if (touched !== null && whole.parts === seconds) whole.touch(startMs, Number(touched));
      if (touched === null && whole.seconds === seconds) whole.rolledUp.set(startMs, Number(rolledUp));
    }
  }
  for (const whole of wholes) whole.judge(slices[whole.seconds]);
  return slices;
}

/** What is added up from parts was touched when the last of them was. */
class AddedUp {
  readonly #touched = new Map<number, number>();
  readonly rolledUp = new Map<number, number>();

  constructor(
    readonly seconds: AddedUpSeconds,
    readonly parts: RollupSeconds,
  ) {}

  touch(partMs: number, sequence: number): void {
    const startMs = Math.floor(partMs / (this.seconds * 1000)) * this.seconds * 1000;
    this.#touched.set(startMs, Math.max(this.#touched.get(startMs) ?? 0, sequence));
  }

  judge(slices: Map<number, boolean>): void {
    for (const [startMs, touched] of this.#touched) slices.set(startMs, (this.rolledUp.get(startMs) ?? -1) >= touched);
  }
}

function bySeconds<T>(make: () => T): Record<RollupSeconds, T> {
  return { [DAY_S]: make(), [HOUR_S]: make(), [FIVE_MINUTES_S]: make(), [MINUTE_S]: make() };
}
