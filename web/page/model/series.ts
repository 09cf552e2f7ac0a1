import type { Series, SplitSeries } from './answers.js';

export type Values = (number | null)[];

/** A named line, area or bar of a chart. */
export interface Named {
  readonly name: string;
  readonly values: Values;
  readonly total: number;
}

export const valuesOf = (series: Series): Values => series.map(({ value }) => value);

/** The series of a name that a publisher has chosen, which may be `constructor`; empty where there is none. */
export function seriesNamed(split: SplitSeries, name: string): Series {
  return Object.hasOwn(split, name) ? (split[name] ?? []) : [];
}

/** Starts of the intervals, seconds since 1970. */
export const startsOf = (series: Series): number[] => series.map(({ t }) => Date.parse(t) / 1_000);

export function sum(values: Values): number {
  return values.reduce((total: number, value) => total + (value ?? 0), 0);
}

const REST = 'other';

/** The largest keys of a split series, the largest first, and all others as one called `other`, last. */
export function largest(split: SplitSeries, most: number): Named[] {
  const all = Object.entries(split).map(([name, series]) => {
    const values = valuesOf(series);
    return { name, values, total: sum(values) };
  });
  const named = all.filter(({ name, total }) => name !== REST && total > 0).sort((a, b) => b.total - a.total);
  const rest = [...named.slice(most), ...all.filter(({ name, total }) => name === REST && total > 0)];
  if (rest.length === 0) return named.slice(0, most);
  const values = rest.map((each) => each.values).reduce((sums, each) => add(sums, each));
  return [...named.slice(0, most), { name: REST, values, total: sum(values) }];
}

function add(a: Values, b: Values): Values {
  return a.map((value, index) => (value ?? 0) + (b[index] ?? 0));
}

/**
 * Heights of stacked bars: the first lies at the bottom. Drawn from the last to the first from the ground on, each hides
 * what of the one before is below it.
 */
export function stacked(series: readonly Named[]): Values[] {
  const heights: Values[] = [];
  for (const { values } of series) {
    const below = heights.at(-1);
    heights.push(below === undefined ? values : add(below, values));
  }
  return heights;
}

/** Places of values that have no neighbour: a line alone would not show them. */
export function lonely(values: ArrayLike<number | null | undefined>): number[] {
  const known = (index: number): boolean => (values[index] ?? null) !== null;
  return Array.from({ length: values.length }, (_, index) => index).filter(
    (index) => known(index) && !known(index - 1) && !known(index + 1),
  );
}

/** The path of a small line through `width` × `height`, from the lowest value at the bottom; empty where it shows nothing. */
export function sparkPath(
  values: Values,
  width: number,
  height: number,
): { readonly line: string; readonly area: string } {
  const known = values.filter((value) => value !== null);
  if (known.length < 2) return { line: '', area: '' };
  const top = Math.max(...known);
  const bottom = Math.min(0, ...known);
  const scale = top === bottom ? 0 : height / (top - bottom);
  const points = values.flatMap((value, index) => {
    if (value === null) return [];
    const x = (index / (values.length - 1)) * width;
    return [`${round(x)} ${round(height - (value - bottom) * scale)}`];
  });
  const line = `M${points.join('L')}`;
  const first = points[0]?.split(' ')[0] ?? '0';
  const last = points.at(-1)?.split(' ')[0] ?? '0';
  return { line, area: `${line}L${last} ${height}L${first} ${height}Z` };
}

const round = (value: number): number => Math.round(value * 10) / 10;
