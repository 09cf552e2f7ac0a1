import { readFileSync } from 'node:fs';
import { ConfigError, type ConfigProblem } from '../config-error.js';
import { parseRules } from './parse-rules.js';
import type { AlertRule } from './rule.js';

/** The problems name the file and the line, as compilers do: `config/alerts.yaml:12:`. */
export type LoadedRules =
  | { readonly ok: true; readonly rules: readonly AlertRule[] }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/** Reads a file of rules. Everything that is wrong is told together. */
export function loadRules(file: string): LoadedRules {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const detail = `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    return { ok: false, problems: [{ name: file, detail }] };
  }
  const outcome = parseRules(text);
  if (outcome.ok) return outcome;
  return { ok: false, problems: outcome.problems.map(({ line, detail }) => ({ name: `${file}:${line}:`, detail })) };
}

/** @throws ConfigError where the file cannot be read, or with everything that is wrong in it */
export function needRules(file: string): readonly AlertRule[] {
  const outcome = loadRules(file);
  if (outcome.ok) return outcome.rules;
  throw new ConfigError(outcome.problems);
}
