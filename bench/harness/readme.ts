import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CaseResult } from './results.js';
import { renderTables } from './table.js';

/** The last result of a case, and how it was measured. */
export type KeptResult = CaseResult & {
  readonly measured_at: string;
  readonly machine: string;
  readonly pairs: number;
};

const BENCH = join(import.meta.dirname, '../../../bench');
const README = join(BENCH, 'README.md');
const RESULTS = join(BENCH, 'results.json');
const SECTION = /(<!-- results: .*? -->\n)[\s\S]*?(<!-- end of the results -->)/;

/** The last results of all cases, as bench/results.json has them. */
export function readResults(): readonly KeptResult[] {
  return JSON.parse(readFileSync(RESULTS, 'utf8')) as KeptResult[];
}

/** Puts results in the place of earlier ones of the same cases, and the section of bench/README.md in accord with all of them. */
export function keepResults(results: readonly KeptResult[]): void {
  const byName = new Map([...readResults(), ...results].map((each) => [each.name, each]));
  const kept = [...byName.values()];
  writeFileSync(RESULTS, `${JSON.stringify(kept, undefined, 2)}\n`);
  writeFileSync(README, withResults(readFileSync(README, 'utf8'), kept));
}

/** @throws where the document has no place for results */
export function withResults(document: string, results: readonly KeptResult[]): string {
  if (!SECTION.test(document)) throw new Error('bench/README.md has no place for results');
  return document.replace(SECTION, (_, begin: string, end: string) => `${begin}\n${renderSection(results)}\n\n${end}`);
}

/** The tables, and when and on what each case was measured. */
function renderSection(results: readonly KeptResult[]): string {
  if (results.length === 0) return 'Nothing has been measured yet.';
  const runs = new Map<string, string[]>();
  for (const { name, measured_at, machine, pairs } of results) {
    const run = `${measured_at.slice(0, 10)}, ${machine}, ${pairs} pairs`;
    runs.set(run, [...(runs.get(run) ?? []), name]);
  }
  const lines = [...runs].map(([run, names]) => `- ${run}: ${names.join(', ')}`);
  return `${renderTables(results)}\n\n${lines.join('\n')}`;
}
