import { useEffect, useRef } from 'preact/hooks';
import type uPlot from 'uplot';
import { lonely, sum, type Values } from '../model/series.js';
import { intervalLabel } from '../model/times.js';
import { useTheme } from '../state/theme.js';
import { createPlot, type Plot } from './plot.js';

/** A line, area or row of bars. */
export interface Drawn {
  readonly name: string;
  readonly values: Values;
  /** Where it is drawn up to, where that is not the value: stacked bars. */
  readonly heights?: Values | undefined;
  readonly look: 'line' | 'dashes' | 'area' | 'bars';
  /** Name of a colour in styles/base.css. */
  readonly colour: string;
  /** Of the whole range. */
  readonly total: number | null;
}

export interface ChartProps {
  readonly title: string;
  /** Starts of the intervals, seconds since 1970, as all times of a chart. */
  readonly starts: readonly number[];
  readonly range: readonly [number, number];
  readonly intervalSeconds: number;
  /** What ends after it is not over. */
  readonly answeredAt: number;
  readonly drawn: readonly Drawn[];
  readonly format: (value: number | null) => string;
  /** There is nothing between two whole numbers: the values are counts. */
  readonly isWhole?: boolean;
  zoom(fromMs: number, toMs: number): void;
}

/** A chart. With the arrow keys one reads it value by value; the same numbers stand in the panel's table. */
export function Chart(props: ChartProps) {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const { isDark } = useTheme();
  const shape = props.drawn.map(({ name, look, colour }) => `${name}:${look}:${colour}`).join();

  // Colours are read when it is made, and another shape is another plot.
  useEffect(() => {
    if (frame.current === null) return;
    const made = createPlot(frame.current, () => latest.current);
    plot.current = made;
    return () => made.destroy();
  }, [isDark, shape]);
  useEffect(() => plot.current?.update(), [props.starts, props.drawn, props.range]);

  const move = (event: KeyboardEvent): void => {
    const step = STEPS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    plot.current?.move(step);
  };
  return (
    <div
      class="chart"
      ref={frame}
      role="application"
      aria-roledescription="chart"
      aria-label={describe(props)}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it is read with the arrow keys
      tabIndex={0}
      onKeyDown={move}
      onBlur={() => plot.current?.leave()}
    />
  );
}

const STEPS: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1, Home: -1_000, End: 1_000 };

/** What a picture of it would say. */
function describe({ title, starts, intervalSeconds, drawn, format }: ChartProps): string {
  const parts = drawn.map(({ name, values, total }) => {
    const highest = values.reduce(
      (best: number, value, place) => ((value ?? 0) > (values[best] ?? 0) ? place : best),
      0,
    );
    if (sum(values) === 0) return `${name}: none`;
    const when = intervalLabel((starts[highest] ?? 0) * 1_000, intervalSeconds);
    return `${name}: ${format(total)} over all, highest ${format(values[highest] ?? null)} on ${when}`;
  });
  return `Chart. ${title}. ${parts.join('. ')}`;
}

/** Points are drawn only where a line shows nothing. */
export const lonelyPoints: uPlot.Series.Points.Filter = (plot, series) => lonely(plot.data[series] ?? []);
