import type { BenchCase, Figure, Goal, Sample } from './case.js';

/** All samples of one side. */
export interface SideResult {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly values: readonly number[];
  /** Microseconds of a core for each request or event, in the median; null where a sample does not say. */
  readonly cpu_us: number | null;
}

export interface JudgedFigure extends Figure {
  /** Null where nothing is aimed at. */
  readonly met: boolean | null;
}

/** What a case with a reference came to. */
export interface Comparison {
  readonly kind: 'comparison';
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly goal: Goal;
  readonly ours: SideResult;
  readonly reference: SideResult;
  /** Of the medians, ours to the reference's. */
  readonly ratio: number;
  readonly met: boolean;
  readonly figures: readonly JudgedFigure[];
}

/** What a case without one came to. */
export interface Figures {
  readonly kind: 'figures';
  readonly name: string;
  readonly title: string;
  readonly figures: readonly JudgedFigure[];
}

export type CaseResult = Comparison | Figures;

/** The one in the middle, or what is halfway between the two there. @throws where there is none */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [below, above] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  if (below === undefined || above === undefined) throw new Error('There is no median of nothing');
  return (below + above) / 2;
}

export function meets(value: number, goal: Goal): boolean {
  return 'atLeast' in goal ? value >= goal.atLeast : value <= goal.atMost;
}

export function judge(figure: Figure): JudgedFigure {
  return { ...figure, met: figure.goal === undefined ? null : meets(figure.value, figure.goal) };
}

/** Adds up what was measured in turns. @throws where a value is no number above 0 */
export function compare(
  { name, title, unit, goal }: Pick<BenchCase, 'name' | 'title' | 'unit' | 'goal'>,
  samples: { readonly ours: readonly Sample[]; readonly reference: readonly Sample[] },
  figures: readonly Figure[],
): Comparison {
  const [ours, reference] = [sideOf(samples.ours), sideOf(samples.reference)];
  const ratio = ours.median / reference.median;
  const met = meets(ratio, goal);
  return { kind: 'comparison', name, title, unit, goal, ours, reference, ratio, met, figures: figures.map(judge) };
}

function sideOf(samples: readonly Sample[]): SideResult {
  const values = samples.map(({ value }) => value);
  const wrong = values.find((value) => !(value > 0 && Number.isFinite(value)));
  if (wrong !== undefined) throw new Error(`A sample is ${wrong}`);
  const cpu = samples.flatMap(({ cpuSeconds, operations }) =>
    cpuSeconds === undefined || operations === undefined ? [] : (cpuSeconds / operations) * 1e6,
  );
  return {
    median: median(values),
    least: Math.min(...values),
    most: Math.max(...values),
    values,
    cpu_us: cpu.length < samples.length ? null : median(cpu),
  };
}
