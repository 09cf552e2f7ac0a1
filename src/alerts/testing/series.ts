/** One value an interval; undefined where there is a gap. */
export type Series = readonly (number | undefined)[];

export const MAX_STEPS = 10_000;

const NUMBER = String.raw`-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?`;
const PART = new RegExp(`^(?<first>_|${NUMBER})(?:(?<change>[+-]\\d+(?:\\.\\d+)?)?x(?<times>\\d{1,5}))?$`);

/**
 * Reads the notation of promtool's test files: `3` is one value, `3x4` is 3 and four times 3 again, `3+2x4` is 3 5 7 9 11,
 * `3-2x4` is 3 1 -1 -3 -5, `_` is one gap and `_x4` four.
 *
 * @returns undefined where the text is no such series, or has more than MAX_STEPS values
 */
export function parseSeries(text: string): Series | undefined {
  const values: (number | undefined)[] = [];
  for (const part of text.trim().split(/\s+/)) {
    const { first, change, times } = PART.exec(part)?.groups ?? {};
    if (first === undefined || (first === '_' && change !== undefined)) return undefined;
    // A gap is not a first value that is repeated, so it counts as often as it says.
    const count = first === '_' ? Number(times ?? 1) : Number(times ?? 0) + 1;
    if (values.length + count > MAX_STEPS) return undefined;
    for (let step = 0; step < count; step += 1) {
      values.push(first === '_' ? undefined : Number(first) + step * Number(change ?? 0));
    }
  }
  return values;
}
