import type { BenchCase, BenchOptions, FigureCase, Sample } from './case.js';
import { type CaseResult, compare, judge } from './results.js';

export interface RunOptions extends BenchOptions {
  /** How often each side is measured. */
  readonly pairs: number;
  /** Told of each sample. */
  readonly tell: (line: string) => void;
}

/** Measures a case, and its reference in turns with it (A B A B …). @throws whatever goes wrong in either: then there is no figure */
export async function runCase(benchCase: BenchCase | FigureCase, options: RunOptions): Promise<CaseResult> {
  const { name, title } = benchCase;
  if ('measure' in benchCase) {
    const figures = await benchCase.measure(options);
    return { kind: 'figures', name, title, figures: figures.map(judge) };
  }
  const sides = await benchCase.prepare(options);
  try {
    const samples: { readonly ours: Sample[]; readonly reference: Sample[] } = { ours: [], reference: [] };
    for (let pair = 1; pair <= options.pairs; pair += 1) {
      for (const side of ['ours', 'reference'] as const) {
        const sample = await sides[side]();
        samples[side].push(sample);
        options.tell(
          `${name}, pair ${pair} of ${options.pairs}, ${side}: ${sample.value.toFixed(1)} ${benchCase.unit}`,
        );
      }
    }
    return compare(benchCase, samples, (await sides.figures?.()) ?? []);
  } finally {
    await sides.close();
  }
}
