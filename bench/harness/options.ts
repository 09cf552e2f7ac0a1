import { parseArgs } from 'node:util';

const LEAST_PAIRS = 5;
const MOST_PAIRS = 100;

export interface Options<Case> {
  readonly cases: readonly Case[];
  readonly pairs: number;
  readonly quick: boolean;
  readonly json: boolean;
  readonly list: boolean;
  readonly writeReadme: boolean;
}

/**
 * What is to be measured, and how.
 *
 * @param all every case that there is
 * @throws Error with what is wrong with the arguments
 */
export function readOptions<Case extends { readonly name: string }>(
  args: readonly string[],
  all: readonly Case[],
): Options<Case> {
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
  const unknown = positionals.filter((name) => !all.some((each) => each.name === name));
  if (unknown.length > 0) throw new Error(`There is no case ${unknown.join(', ')}; --list names them`);
  const cases = positionals.length === 0 ? all : all.filter(({ name }) => positionals.includes(name));
  return { cases, pairs, quick, json, list, writeReadme };
}
