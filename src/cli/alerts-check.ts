import { warnAbout } from '../alerts/check-rules.js';
import type { AlertsTrialConfig } from '../config.js';
import { counted } from './counted.js';
import { at, parseRulesFile, thresholdsOf } from './rules-file.js';

/**
 * `metrics alerts check`: says what is wrong with a file of rules, and what is probably not meant.
 *
 * @returns 0 valid, 1 not
 */
export async function runAlertsCheck(
  config: AlertsTrialConfig,
  given: string | undefined,
  json: boolean,
): Promise<number> {
  const file = given ?? config.alerts.file;
  const outcome = parseRulesFile(file);
  const settings = { intervalMs: config.alerts.intervalSeconds * 1000, thresholds: thresholdsOf(config) };
  const problems = outcome.ok ? [] : outcome.problems;
  const warnings = outcome.ok ? warnAbout(outcome.rules, outcome.lines, settings) : [];
  const rules = outcome.ok ? outcome.rules.length : null;
  if (json) {
    process.stdout.write(`${JSON.stringify({ file, valid: outcome.ok, rules, problems, warnings })}\n`);
    return outcome.ok ? 0 : 1;
  }
  for (const problem of problems) process.stdout.write(at(file, problem));
  for (const { line, detail } of warnings) process.stdout.write(at(file, { line, detail: `warning: ${detail}` }));
  const warned = warnings.length === 0 ? '' : `, ${counted(warnings.length, 'warning')}`;
  const sum = rules === null ? counted(problems.length, 'problem') : `${counted(rules, 'rule')}${warned}`;
  process.stdout.write(`${file}: ${sum}\n`);
  return outcome.ok ? 0 : 1;
}
