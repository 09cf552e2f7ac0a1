import uPlot from 'uplot';
import { shortDay, timeOfDay } from '../model/times.js';
import { type ChartProps, type Drawn, lonelyPoints } from './chart.js';
import { Tooltip } from './tooltip.js';

/** Between the ticks of an axis of counts: 1, 2, 5, 10 and so on. */
const WHOLE_STEPS = Array.from({ length: 13 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();
const MIN_WIDTH = 240;
const MIN_HEIGHT = 160;
/** A drag that is shorter was a click. */
const MIN_ZOOM_PX = 8;
/** Charts with one key move their cursors together. */
const SYNC = 'page';

/** uPlot in an element, held to the properties of a chart. */
export interface Plot {
  /** Draws what the properties are now. */
  update(): void;
  /** Moves the cursor by intervals. */
  move(steps: number): void;
  leave(): void;
  destroy(): void;
}

/** @param props gives the properties as they are now; names, looks and colours must stay */
export function createPlot(frame: HTMLElement, props: () => ChartProps): Plot {
  const tooltip = new Tooltip(frame, props);
  const plot = new uPlot(options(frame, props, tooltip), dataOf(props()), frame);
  const observer = new ResizeObserver(() => plot.setSize(sizeOf(frame)));
  observer.observe(frame);
  return {
    update: () => plot.setData(dataOf(props())),
    move: (steps) => {
      const { starts, intervalSeconds } = props();
      const from = plot.cursor.idx ?? (steps > 0 ? -1 : starts.length);
      const place = Math.min(starts.length - 1, Math.max(0, from + steps));
      tooltip.isShown = true;
      const left = plot.valToPos((starts[place] ?? 0) + intervalSeconds / 2, 'x');
      plot.setCursor({ left, top: sizeOf(frame).height / 3 });
    },
    leave: () => {
      tooltip.hide();
      plot.setCursor({ left: -10, top: -10 });
    },
    destroy: () => {
      observer.disconnect();
      tooltip.remove();
      plot.destroy();
    },
  };
}

/** The last that is drawn lies on top, so stacked bars go in from the tallest on. */
function inOrder(drawn: readonly Drawn[]): readonly Drawn[] {
  return drawn.some(({ heights }) => heights !== undefined) ? drawn.toReversed() : drawn;
}

function dataOf({ starts, drawn }: ChartProps): uPlot.AlignedData {
  return [[...starts], ...inOrder(drawn).map(({ heights, values }) => heights ?? values)];
}

/** The plot lies over its frame, which takes what room the panel has. */
function sizeOf(frame: HTMLElement): { readonly width: number; readonly height: number } {
  return { width: Math.max(MIN_WIDTH, frame.clientWidth), height: Math.max(MIN_HEIGHT, frame.clientHeight) };
}

function options(frame: HTMLElement, props: () => ChartProps, tooltip: Tooltip): uPlot.Options {
  const text = colourOf(frame, 'soft');
  const line = colourOf(frame, 'line');
  const font = `11px ${getComputedStyle(frame).fontFamily}`;
  const quiet = { stroke: text, font, ticks: { show: false }, labelFont: font };
  return {
    ...sizeOf(frame),
    padding: [8, 8, 0, 0],
    legend: { show: false },
    scales: {
      x: { time: true, range: () => [...props().range] },
      y: { range: (_plot, _min, max) => [0, topOf(max)] },
    },
    axes: [
      {
        ...quiet,
        grid: { show: false },
        values: (_plot, splits) => timeLabels(splits, props().range),
        space: 72,
        size: 28,
        gap: 8,
      },
      {
        ...quiet,
        grid: { stroke: line, width: 1 },
        ...(props().isWhole === true ? { incrs: WHOLE_STEPS } : {}),
        values: (_plot, splits) => splits.map((each) => props().format(each)),
        space: 44,
        size: 60,
        gap: 8,
      },
    ],
    series: [{}, ...inOrder(props().drawn).map((each) => seriesOf(frame, each))],
    cursor: {
      sync: { key: SYNC, setSeries: false },
      points: { show: false },
      y: false,
      drag: { x: true, y: false, setScale: false, dist: MIN_ZOOM_PX },
      dataIdx: (plot, _series, _closest, value) => placeOf(plot, value, props().intervalSeconds),
    },
    hooks: {
      setCursor: [(plot) => tooltip.follow(plot)],
      setSelect: [(plot) => zoom(plot, props())],
    },
  };
}

/** A value stands for the interval that begins at it, not for the moment nearest to it. */
function placeOf(plot: uPlot, value: number, intervalSeconds: number): number {
  const starts = plot.data[0];
  const first = starts[0] ?? 0;
  const guess = Math.floor((value - first) / intervalSeconds);
  const place = Math.min(starts.length - 1, Math.max(0, guess));
  // The first interval of a range may be shorter than the others.
  return value < (starts[place] ?? 0)
    ? Math.max(0, place - 1)
    : value >= (starts[place + 1] ?? Infinity)
      ? place + 1
      : place;
}

function zoom(plot: uPlot, { zoom: choose, intervalSeconds }: ChartProps): void {
  const { left, width } = plot.select;
  if (width < MIN_ZOOM_PX) return;
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  const edge = (px: number, round: (value: number) => number): number =>
    round(plot.posToVal(px, 'x') / intervalSeconds) * intervalSeconds * 1_000;
  choose(edge(left, Math.floor), edge(left + width, Math.ceil));
}

/** A little room above the highest value; something to stand for nothing. */
function topOf(highest: number | null): number {
  return highest === null || highest <= 0 ? 1 : highest * 1.08;
}

function seriesOf(frame: HTMLElement, { name, look, colour: colourName }: Drawn): uPlot.Series {
  const colour = colourOf(frame, colourName);
  const points = { show: true, filter: lonelyPoints, size: 5, fill: colour, stroke: colour };
  switch (look) {
    case 'bars':
      return {
        label: name,
        fill: colour,
        width: 0,
        points: { show: false },
        ...barPaths(),
      };
    case 'area':
      return { label: name, stroke: colour, width: 2, fill: (plot) => fade(plot, colour), points };
    case 'dashes':
      return { label: name, stroke: colour, width: 1.5, dash: [5, 4], points };
    case 'line':
      return { label: name, stroke: colour, width: 2, points };
  }
}

function barPaths(): Pick<uPlot.Series, 'paths'> {
  const paths = uPlot.paths.bars?.({ align: 1, size: [0.7, 28, 1], radius: 0.15 });
  return paths === undefined ? {} : { paths };
}

function fade(plot: uPlot, colour: string): CanvasGradient {
  const { top, height } = plot.bbox;
  const gradient = plot.ctx.createLinearGradient(0, top, 0, top + height);
  gradient.addColorStop(0, withAlpha(colour, 0.28));
  gradient.addColorStop(1, withAlpha(colour, 0.02));
  return gradient;
}

/** `rgb(1, 2, 3)`, as the browser tells it, with an alpha. */
function withAlpha(colour: string, alpha: number): string {
  return colour.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
}

/** The colour that a name stands for here and now, as the browser tells it. */
function colourOf(frame: HTMLElement, name: string): string {
  const probe = document.createElement('i');
  probe.style.color = `var(--${name})`;
  frame.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

const DAY_S = 86_400;

/** Hours within days, days otherwise; midnight is told by its day. */
function timeLabels(splits: readonly number[], [from, to]: readonly [number, number]): string[] {
  const step = (splits[1] ?? to) - (splits[0] ?? from);
  return splits.map((each) => {
    const timeMs = each * 1_000;
    if (step >= DAY_S) return shortDay(timeMs);
    const isMidnight = new Date(timeMs).getHours() === 0 && new Date(timeMs).getMinutes() === 0;
    if (to - from <= DAY_S || !isMidnight)
      return isMidnight && to - from > DAY_S / 2 ? shortDay(timeMs) : timeOfDay(timeMs);
    return shortDay(timeMs);
  });
}
