import { readFileSync } from 'node:fs';
import type { Thresholds } from '../alerts/condition.js';
import { parseRules, type RuleProblem, type RulesOutcome } from '../alerts/parse-rules.js';
import type { AlertsTrialConfig } from '../config.js';
import { ConfigError } from '../config-error.js';

/** @throws ConfigError where the file cannot be read */
export function readTextFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError([
      { name: file, detail: `cannot be read: ${error instanceof Error ? error.message : error}` },
    ]);
  }
}

/** @throws ConfigError where the file cannot be read */
export function parseRulesFile(file: string): RulesOutcome {
  return parseRules(readTextFile(file));
}

/** `file:line: detail`, as compilers write it, so that editors find the place. */
export function at(file: string, { line, detail }: RuleProblem): string {
  return `${file}:${line}: ${detail}\n`;
}

/** As conditions name them. */
export function thresholdsOf({ thresholds }: AlertsTrialConfig): Thresholds {
  return { error_rate: thresholds.errorRate, response_time: thresholds.responseTimeMs };
}
