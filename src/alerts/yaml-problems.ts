import type { Document, LineCounter } from 'yaml';
import type { RuleProblem } from './parse-rules.js';

/**
 * What keeps a text from being YAML, with lines. Of mistakes in the syntax only the first: the others follow from it as a
 * rule, and would hide it.
 */
export function yamlProblems({ errors }: Pick<Document.Parsed, 'errors'>, lineCounter: LineCounter): RuleProblem[] {
  const firstMistake = errors.find(({ code }) => code !== 'DUPLICATE_KEY');
  return errors
    .filter((error) => error.code === 'DUPLICATE_KEY' || error === firstMistake)
    .map(({ message, pos }) => ({
      line: lineCounter.linePos(pos[0]).line,
      detail: (message.split('\n')[0] ?? message).replace(/ at line \d+, column \d+:?$/, ''),
    }));
}
