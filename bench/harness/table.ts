import type { Goal } from './case.js';
import type { CaseResult, Comparison, JudgedFigure, SideResult } from './results.js';

type Row = readonly string[];

const COMPARED: Row = ['case', 'unit', 'ours', 'reference', 'CPU µs each, ours', 'reference', 'ratio', 'goal', ''];
const FIGURES: Row = ['case', 'what', 'figure', 'goal', ''];

/** Whole above a hundred, else three digits: more says nothing where the next run differs in them. */
export function formatNumber(value: number): string {
  if (Math.abs(value) >= 99.95) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}

export function formatGoal(goal: Goal | undefined): string {
  if (goal === undefined) return '';
  return 'atLeast' in goal ? `≥ ${formatNumber(goal.atLeast)}` : `≤ ${formatNumber(goal.atMost)}`;
}

/** One table of the ratios and one of figures, in Markdown, as the formatter of this repository would write them. */
export function renderTables(results: readonly CaseResult[]): string {
  const compared = results.flatMap((result) => (result.kind === 'comparison' ? [comparedRow(result)] : []));
  const figures = results.flatMap(({ name, figures: some }) => some.map((figure) => figureRow(name, figure)));
  const tables = [compared.length > 0 ? [COMPARED, ...compared] : [], figures.length > 0 ? [FIGURES, ...figures] : []];
  return tables
    .filter((rows) => rows.length > 0)
    .map(renderTable)
    .join('\n\n');
}

function comparedRow({ name, unit, ours, reference, ratio, goal, met }: Comparison): Row {
  const cpu = ({ cpu_us: us }: SideResult): string => (us === null ? '' : formatNumber(us));
  const sides = [formatSide(ours), formatSide(reference), cpu(ours), cpu(reference)];
  return [name, unit, ...sides, ratio.toFixed(2), formatGoal(goal), verdict(met)];
}

function figureRow(name: string, { what, value, unit, goal, met }: JudgedFigure): Row {
  return [name, what, `${formatNumber(value)} ${unit}`.trim(), formatGoal(goal), verdict(met)];
}

function formatSide({ median, least, most }: SideResult): string {
  return `${formatNumber(median)} (${formatNumber(least)}–${formatNumber(most)})`;
}

function verdict(met: boolean | null): string {
  if (met === null) return '';
  return met ? 'met' : 'missed';
}

function renderTable(rows: readonly Row[]): string {
  const [head = [], ...body] = rows.map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = head.map((_, column) => Math.max(3, ...[head, ...body].map((row) => (row[column] ?? '').length)));
  const line = (cells: Row): string => `| ${widths.map((width, at) => (cells[at] ?? '').padEnd(width)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}
