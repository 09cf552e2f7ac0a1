import { describeDuration } from '../durations.js';
import type { RuleProblem } from '../parse-rules.js';
import type { Expectation, ExpectedAlert, FoundAlert } from './test-file.js';

/**
 * What is expected at one time against what is there. Every alert that fires has to be expected; one that is pending or
 * resolved is looked at where the expectation names it.
 */
export function compareAlerts(expectation: Expectation, found: readonly FoundAlert[]): RuleProblem[] {
  const looked = found.filter(({ rule }) => expectation.rule === undefined || rule.name === expectation.rule);
  const unused = new Set(looked);
  const problems: RuleProblem[] = [];
  /** Their problem shows already what was found. */
  const told = new Set<string>();
  // Who names more labels chooses first: else `{}` might take what only `{service_name: web}` could have been.
  const demanding = expectation.alerts.toSorted((a, b) => labelCount(b) - labelCount(a));
  for (const expected of demanding) {
    const alert = looked.find((each) => unused.has(each) && matches(expected, each));
    if (alert !== undefined) unused.delete(alert);
    else {
      problems.push({ line: expected.line, detail: missing(expected, looked) });
      told.add(expected.name);
    }
  }
  for (const alert of unused) {
    if (alert.status === 'firing' && !told.has(alert.rule.name)) {
      problems.push({ line: expectation.line, detail: `nobody expects ${describeFound(alert)}` });
    }
  }
  return problems.toSorted((a, b) => a.line - b.line);
}

function labelCount({ labels }: ExpectedAlert): number {
  return Object.keys(labels).length;
}

function matches({ name, status, labels, startsAtMs }: ExpectedAlert, alert: FoundAlert): boolean {
  return (
    alert.rule.name === name &&
    alert.status === status &&
    (startsAtMs === undefined || alert.startsAtMs === startsAtMs) &&
    Object.entries(labels).every(([label, value]) => alert.labels[label] === value)
  );
}

function missing(expected: ExpectedAlert, looked: readonly FoundAlert[]): string {
  const { name, status, labels, startsAtMs } = expected;
  const similar = looked.filter(({ rule }) => rule.name === name).map(describeFound);
  return `expected ${describe(name, labels, status, startsAtMs)}, found ${similar.length === 0 ? 'nothing of this rule' : similar.join('; ')}`;
}

function describeFound({ rule, labels, status, startsAtMs, value }: FoundAlert): string {
  return `${describe(rule.name, labels, status, startsAtMs)}${value === null ? '' : ` with ${Number(value.toPrecision(6))}`}`;
}

function describe(
  name: string,
  labels: Readonly<Record<string, string>>,
  status: string,
  startsAtMs: number | undefined,
): string {
  const shown = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const since = startsAtMs === undefined ? '' : ` since ${describeDuration(startsAtMs)}`;
  return `${name}{${shown.join(', ')}} ${status}${since}`;
}
