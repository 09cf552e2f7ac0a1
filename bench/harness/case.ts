/** How a case is to be measured. */
export interface BenchOptions {
  /** Small sizes, for trying whether a case works; no result. */
  readonly quick: boolean;
}

/** One measurement of one side: a rate (more is better) or a time (less is better). */
export interface Sample {
  readonly value: number;
  /** Seconds of a core that the side's process took for it, where known. */
  readonly cpuSeconds?: number;
  /** How many requests or events that was for: with it the table says the microseconds of a core for each. */
  readonly operations?: number;
}

/** What is measured in turns. Both sides are warm: a case sees to that before, or within each sample. */
export interface Sides {
  readonly ours: () => Promise<Sample>;
  readonly reference: () => Promise<Sample>;
  /** What else is worth to be told after the last pair. */
  readonly figures?: () => Promise<readonly Figure[]>;
  readonly close: () => Promise<void>;
}

export type Goal = { readonly atLeast: number } | { readonly atMost: number };

/** A case with a reference: the least program that does the same work with the same servers. */
export interface BenchCase {
  /** As on the command line. */
  readonly name: string;
  readonly title: string;
  /** `requests/s`, `events/s`, `ms`, … */
  readonly unit: string;
  /** The ratio of ours to the reference that is aimed at. */
  readonly goal: Goal;
  readonly prepare: (options: BenchOptions) => Promise<Sides>;
}

/** A case without a reference gives rows of figures. */
export interface FigureCase {
  readonly name: string;
  readonly title: string;
  readonly measure: (options: BenchOptions) => Promise<readonly Figure[]>;
}

export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly goal?: Goal;
}
