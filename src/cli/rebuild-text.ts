import type { DayComparison, Ids } from '../projections/rebuild/compare-days.js';
import type { RebuildOutcome, RebuildRefusal, RebuildReport } from '../projections/rebuild/rebuild-tables.js';
import { counted } from './counted.js';

const REFUSALS: Readonly<Record<RebuildRefusal, string>> = {
  another_rebuild: 'Another process is rebuilding.',
  rebuild_unfinished:
    'A rebuild was interrupted: `rebuild --resume` goes on with it, `rebuild --abort` clears it away.',
  nothing_to_resume: 'No rebuild was interrupted.',
  already_swapped: 'The tables were swapped already: `rebuild --resume` clears up behind that.',
  nothing_kept: 'No tables were kept; a rebuild keeps those that it replaces where it is told to, by --keep.',
  nothing_projected: 'No event was projected yet: there is nothing to rebuild.',
  different_log: 'The log is not the one that the tables were folded from.',
  would_lose_rows:
    'Rows would be lost, so nothing was swapped: `rebuild --resume --force` swaps, `rebuild --abort` clears away.',
};

/** What a person reads at the end. */
export function rebuildText(outcome: RebuildOutcome): string {
  switch (outcome.kind) {
    case 'swapped': {
      const { report, heldMs, readersHeldMs, sequence, kept } = outcome;
      const swap = `Swapped at ${sequence}: the projector was held for ${ms(heldMs)}, readers for at most ${ms(readersHeldMs)}.`;
      const keep = kept ? ['The replaced tables are kept: `rebuild --rollback` brings them back.'] : [];
      return lines([...reportLines(report), swap, ...keep]);
    }
    case 'compared':
      return lines([...reportLines(outcome.report), 'Nothing was swapped, and nothing is left behind.']);
    case 'settled':
      return lines(['The tables were swapped before the interruption; all is cleared up behind it now.']);
    case 'aborted':
      return lines(['The rebuild is cleared away.']);
    case 'nothing_to_abort':
      return lines(['No rebuild is under way.']);
    case 'refused': {
      const { reason, detail, report } = outcome;
      const before = report === undefined ? [] : reportLines(report);
      return lines([...before, `${REFUSALS[reason]}${detail === undefined ? '' : ` ${detail}.`} (${reason})`]);
    }
  }
}

/** The same for programs. */
export function rebuildDocument(outcome: RebuildOutcome): Record<string, unknown> {
  const { kind, ...rest } = outcome;
  if (outcome.kind !== 'swapped') return { outcome: kind, ...rest };
  const { report, sequence, heldMs, readersHeldMs, swapAttempts, kept, summaries } = outcome;
  const times = { held_ms: Math.ceil(heldMs), readers_held_ms: Math.ceil(readersHeldMs), swap_attempts: swapAttempts };
  return { outcome: kind, sequence, ...times, kept, summaries, report };
}

function reportLines({ origin, tables, compared_to, events, rows, duplicates, dead_letters, days }: RebuildReport) {
  const letters = Object.entries(dead_letters).map(([reason, count]) => `${n(count)} ${reason}`);
  return [
    `${origin === 'log' ? 'Folded from the log' : 'The kept tables, folded on'}: ${n(events)} events, ${n(rows)} rows, ` +
      `${n(duplicates)} resends${letters.length === 0 ? '' : `, dead letters: ${letters.join(', ')}`}.`,
    `Compared up to ${compared_to}:`,
    ...tables.flatMap((table) => tableLines(table, days)),
  ];
}

function tableLines(table: string, all: readonly DayComparison[]): string[] {
  const days = all.filter((day) => day.table === table);
  const differing = days.filter(({ difference }) => difference !== undefined);
  const rows = days.reduce((sum, { live }) => sum + live.rows, 0);
  const verdict = differing.length === 0 ? 'equal' : `${differing.length} differ`;
  return [
    `  ${table.padEnd(16)} ${counted(days.length, 'day')}, ${counted(rows, 'row')}: ${verdict}`,
    ...differing.map(({ day, live, rebuilt, difference }) => {
      const parts = Object.entries(difference ?? {}).flatMap(([kind, ids]) => idsText(kind, ids));
      return `    ${day}  live ${n(live.rows)}, rebuilt ${n(rebuilt.rows)}: ${parts.join('; ')}`;
    }),
  ];
}

function idsText(kind: string, { count, first }: Ids): string[] {
  if (count === 0) return [];
  return [`${n(count)} ${kind} (${first.join(', ')}${count > first.length ? ', …' : ''})`];
}

function lines(texts: readonly string[]): string {
  return `${texts.join('\n')}\n`;
}

function n(count: number): string {
  return count.toLocaleString('en');
}

function ms(milliseconds: number): string {
  return `${Math.ceil(milliseconds)} ms`;
}
