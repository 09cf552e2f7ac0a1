import type {
  BacktestDocument,
  DiffDocument,
  EpisodeLine,
  RuleLine,
  TransitionLine,
} from '../alerts/backtest/backtest-document.js';
import { describeDuration } from '../alerts/durations.js';

const SIGNIFICANT_DIGITS = 6;

/** A back-test for people. It tells nothing of how long it took, so two of the same past are the same. */
export function backtestText(document: BacktestDocument): string {
  const { from, to, evaluated_until, interval_seconds, rules_file, log, transitions, rules, diff } = document;
  const lines = [`${rules_file}, every ${interval_seconds} s from ${from} to ${to}`];
  if (evaluated_until !== to)
    lines.push(`Judged up to ${evaluated_until}: an interval is judged five seconds after its end`);
  if (log.begins_at !== null) lines.push(`The log begins at ${log.begins_at}: of the time before nothing is known`);
  lines.push('');
  if (transitions.length === 0) lines.push('Nothing would have been pending or firing');
  else
    lines.push(...table([['TIME', 'WHAT', 'RULE', 'SERVICE', 'VALUE', 'LENGTH'], ...transitions.map(transitionRow)]));
  lines.push('', ...table([['RULE', 'ALERTS', 'SERVICES', 'FIRING', 'LONGEST', 'AT END'], ...rules.map(ruleRow)]));
  if (diff !== null) lines.push('', ...diffLines(diff));
  lines.push(
    '',
    `${log.events} events read, those before --from that the rules look back on among them; ${log.refused} messages were no valid events`,
  );
  if (log.late > 0) lines.push(`${log.late} events came too late to count; --late counts them`);
  return `${lines.join('\n')}\n`;
}

function transitionRow({ at, to, rule, service_name, value, length_seconds }: TransitionLine): string[] {
  return [at, to, rule, service_name ?? '-', numberText(value), lengthText(length_seconds)];
}

function ruleRow({ rule, alerts, services, firing_seconds, longest_seconds, firing_at_end }: RuleLine): string[] {
  const [firing, longest] = [firing_seconds, longest_seconds].map((seconds) => describeDuration(seconds * 1000));
  return [rule, String(alerts), String(services), firing ?? '', longest ?? '', String(firing_at_end)];
}

function diffLines({ rules_file, only_here, only_there, other_times }: DiffDocument): string[] {
  const count = only_here.length + only_there.length + other_times.length;
  if (count === 0) return [`${rules_file} would have fired at the same times`];
  return [
    `Differences to ${rules_file} (+ fires there only, - does not fire there):`,
    ...table([
      ...only_here.map((episode) => ['-', ...episodeRow(episode)]),
      ...only_there.map((episode) => ['+', ...episodeRow(episode)]),
      ...other_times.flatMap(({ here, there }) => [
        ['<', ...episodeRow(here)],
        ['>', ...episodeRow(there)],
      ]),
    ]),
  ];
}

function episodeRow({ rule, service_name, starts_at, ends_at, value }: EpisodeLine): string[] {
  return [rule, service_name ?? '-', starts_at, ends_at ?? 'still fires', numberText(value)];
}

function numberText(value: number | null): string {
  return value === null ? '-' : String(Number(value.toPrecision(SIGNIFICANT_DIGITS)));
}

function lengthText(seconds: number | null): string {
  return seconds === null ? 'goes on' : describeDuration(seconds * 1000);
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
