import type { Series, SplitSeries } from '../queries/dashboard-axis.js';

/** What a spreadsheet would take for a formula; an apostrophe before it makes it text. */
const FORMULA = /^[=+\-@\t\r]/;
const NEEDS_QUOTES = /[",\r\n]/;
const END_OF_LINE = '\r\n';

/**
 * A series as CSV (RFC 4180) with a header: `t,value`, or `t` and a column for each key where it is split. Null is an
 * empty cell.
 */
export function seriesToCsv(series: Series | SplitSeries): string {
  const columns = isPlain(series) ? [['value', series] as const] : Object.entries(series);
  const lines = [['t', ...columns.map(([key]) => nameCell(key))].join(',')];
  const [, first = []] = columns[0] ?? [];
  for (const [row, { t }] of first.entries()) {
    lines.push([t, ...columns.map(([, points]) => points[row]?.value ?? '')].join(','));
  }
  return lines.map((line) => line + END_OF_LINE).join('');
}

function isPlain(series: Series | SplitSeries): series is Series {
  return Array.isArray(series);
}

function nameCell(name: string): string {
  const text = FORMULA.test(name) ? `'${name}` : name;
  return NEEDS_QUOTES.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
