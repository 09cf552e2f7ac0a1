/**
 * `npm run bench -- [case ...] [--pairs 5] [--quick] [--json] [--list] [--write-readme]`: measures cases and their references
 * in turns, against servers of its own, and prints a table. bench/README.md says what each case does. Ends with 1 where a case
 * could not be measured, whether goals are met or not, and with 2 where it is called wrongly.
 */
import { parseArgs } from 'node:util';
import { CASES } from './cases/index.js';
import type { BenchCase, FigureCase } from './harness/case.js';
import { describeMachine } from './harness/machine.js';
import { keepResults } from './harness/readme.js';
import type { CaseResult } from './harness/results.js';
import { runCase } from './harness/run-case.js';
import { renderTables } from './harness/table.js';

const LEAST_PAIRS = 5;
const MOST_PAIRS = 100;
const WRONG_USAGE = 2;

interface Options {
  readonly cases: readonly (BenchCase | FigureCase)[];
  readonly pairs: number;
  readonly quick: boolean;
  readonly json: boolean;
  readonly list: boolean;
  readonly writeReadme: boolean;
}

/** @throws Error with what is wrong with the arguments */
function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      pairs: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      'write-readme': { type: 'boolean', default: false },
    },
  });
  const { quick, json, list, 'write-readme': writeReadme } = values;
  const pairs = Number(values.pairs ?? (quick ? 1 : LEAST_PAIRS));
  if (!Number.isInteger(pairs) || pairs < 1 || pairs > MOST_PAIRS) throw new Error(`--pairs is 1 to ${MOST_PAIRS}`);
  if (writeReadme && (quick || pairs < LEAST_PAIRS)) {
    throw new Error(`--write-readme keeps no tries: at least ${LEAST_PAIRS} pairs, and no --quick`);
  }
  const unknown = positionals.filter((name) => !CASES.some((each) => each.name === name));
  if (unknown.length > 0) throw new Error(`There is no case ${unknown.join(', ')}; --list names them`);
  const cases = positionals.length === 0 ? CASES : CASES.filter(({ name }) => positionals.includes(name));
  return { cases, pairs, quick, json, list, writeReadme };
}

async function runAll({ cases, pairs, quick, json, writeReadme }: Options): Promise<void> {
  const tell = (line: string): void => console.error(line);
  const machine = describeMachine();
  const measured: (CaseResult & { readonly measured_at: string })[] = [];
  const failed: { readonly name: string; readonly error: string }[] = [];
  for (const each of cases) {
    tell(`${each.name}: ${each.title}`);
    try {
      const result = await runCase(each, { pairs, quick, tell });
      measured.push({ ...result, measured_at: new Date().toISOString() });
      if (writeReadme) keepResults([{ ...result, measured_at: new Date().toISOString(), machine, pairs }]);
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

let options: Options | undefined;
try {
  options = readOptions(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = WRONG_USAGE;
}
if (options?.list) for (const { name, title } of options.cases) console.log(`${name.padEnd(24)} ${title}`);
else if (options !== undefined) await runAll(options);
