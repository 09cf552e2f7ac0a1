/**
 * `npm run bench -- [case ...] [--pairs 5] [--quick] [--json] [--list] [--write-readme]`: measures cases and their references
 * in turns, against servers of its own, and prints a table. bench/README.md says what each case does. Ends with 1 where a case
 * could not be measured, whether goals are met or not, and with 2 where it is called wrongly.
 */
import { CASES } from './cases/index.js';
import type { BenchCase, FigureCase } from './harness/case.js';
import { describeMachine } from './harness/machine.js';
import { type Options, readOptions } from './harness/options.js';
import { type KeptResult, keepResults } from './harness/readme.js';
import { runCase } from './harness/run-case.js';
import { renderTables } from './harness/table.js';

const WRONG_USAGE = 2;

async function runAll({ cases, pairs, quick, json, writeReadme }: Options<BenchCase | FigureCase>): Promise<void> {
  const tell = (line: string): void => console.error(line);
  const machine = describeMachine();
  const measured: KeptResult[] = [];
  const failed: { readonly name: string; readonly error: string }[] = [];
  for (const each of cases) {
    tell(`${each.name}: ${each.title}`);
    try {
      const result = await runCase(each, { pairs, quick, tell });
      measured.push({ ...result, measured_at: new Date().toISOString(), machine, pairs });
      // After each, so that what is broken off later takes nothing with it.
      if (writeReadme) keepResults(measured);
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      failed.push({ name: each.name, error: text });
      tell(`${each.name} could not be measured: ${text}`);
    }
  }
  if (json) console.log(JSON.stringify({ quick, pairs, machine, cases: measured, failed }, undefined, 2));
  else console.log([renderTables(measured), `${machine}; pairs: ${pairs}`, ...notes(quick, failed)].join('\n\n'));
  process.exitCode = failed.length > 0 ? 1 : 0;
}

function notes(quick: boolean, failed: readonly { readonly name: string }[]): string[] {
  return [
    ...(quick ? ['This was a try (--quick): small sizes, and no result.'] : []),
    ...failed.map(({ name }) => `${name} could not be measured.`),
  ];
}

let options: Options<BenchCase | FigureCase> | undefined;
try {
  options = readOptions(process.argv.slice(2), CASES);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = WRONG_USAGE;
}
if (options?.list) for (const { name, title } of options.cases) console.log(`${name.padEnd(24)} ${title}`);
else if (options !== undefined) await runAll(options);
