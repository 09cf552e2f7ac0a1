import { type ASTNode, parse } from '@marcbachmann/cel-js';
import type { Thresholds } from './condition.js';

/** Numbers from `min` to `max`; an open end leaves the number itself out. */
interface Range {
  readonly min: number;
  readonly minIsOpen: boolean;
  readonly max: number;
  readonly maxIsOpen: boolean;
}

/** One comparison of a name with a number. */
interface Comparison {
  readonly name: string;
  readonly range: Range;
}

const NOT_NEGATIVE = from(0, false);
/** What a measure can be where it has a value. Gauges are what services say, so they can be anything. */
const DOMAINS: Readonly<Record<string, Range>> = {
  error_rate: { min: 0, minIsOpen: false, max: 1, maxIsOpen: false },
  // Without a request there is no value.
  requests: from(1, false),
  request_rate: from(0, true),
  errors: NOT_NEGATIVE,
  avg_response_time: NOT_NEGATIVE,
  p50_response_time: NOT_NEGATIVE,
  p95_response_time: NOT_NEGATIVE,
  p99_response_time: NOT_NEGATIVE,
  seconds_since_seen: NOT_NEGATIVE,
};
const OF_REQUESTS = ['requests', 'request_rate'];
const MIRRORED: Readonly<Record<string, string>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=', '==': '==' };

/**
 * Looks for a condition that no numbers can make true: comparisons of one name with numbers that exclude one another, or
 * what the name can be at all. Only what is simple to see is seen.
 *
 * @param text a condition that has been checked
 * @returns why it never holds, or undefined
 */
export function neverHolds(text: string, thresholds: Thresholds): string | undefined {
  return contradiction(parse(text).ast, thresholds);
}

function contradiction(node: ASTNode, thresholds: Thresholds): string | undefined {
  if (node.op === '||') {
    const [left, right] = node.args.map((each) => contradiction(each, thresholds));
    return left === undefined || right === undefined ? undefined : left;
  }
  const parts = conjuncts(node);
  const ranges = new Map<string, Range>();
  for (const part of parts) {
    if (part.op === '||') {
      const inner = contradiction(part, thresholds);
      if (inner !== undefined) return inner;
    }
    const comparison = comparisonIn(part, thresholds);
    if (comparison === undefined) continue;
    const { name, range } = comparison;
    const narrowed = intersect(ranges.get(name) ?? domainOf(name), range);
    if (isEmpty(narrowed)) return explain(name);
    ranges.set(name, narrowed);
  }
  return undefined;
}

function explain(name: string): string {
  if (OF_REQUESTS.includes(name)) {
    return `no ${name} is like that (without requests there is no value; seconds_since_seen tells of silence)`;
  }
  return `no ${name} is like that`;
}

function conjuncts(node: ASTNode): ASTNode[] {
  return node.op === '&&' ? node.args.flatMap(conjuncts) : [node];
}

function comparisonIn(node: ASTNode, thresholds: Thresholds): Comparison | undefined {
  if (node.op !== '<' && node.op !== '<=' && node.op !== '>' && node.op !== '>=' && node.op !== '==') return undefined;
  const [left, right] = node.args;
  return (
    comparison(nameIn(left), node.op, numberIn(right, thresholds)) ??
    comparison(nameIn(right), MIRRORED[node.op] ?? node.op, numberIn(left, thresholds))
  );
}

function comparison(name: string | undefined, operator: string, number: number | undefined): Comparison | undefined {
  if (name === undefined || number === undefined) return undefined;
  switch (operator) {
    case '<':
      return { name, range: upTo(number, true) };
    case '<=':
      return { name, range: upTo(number, false) };
    case '>':
      return { name, range: from(number, true) };
    case '>=':
      return { name, range: from(number, false) };
    default:
      return { name, range: { min: number, minIsOpen: false, max: number, maxIsOpen: false } };
  }
}

function nameIn(node: ASTNode): string | undefined {
  if (node.op === 'id') return node.args;
  if (node.op !== '[]' || node.args[0].op !== 'id' || node.args[1].op !== 'value') return undefined;
  return `${node.args[0].args}["${String(node.args[1].args)}"]`;
}

function numberIn(node: ASTNode, thresholds: Thresholds): number | undefined {
  if (node.op === 'value') {
    return typeof node.args === 'number' || typeof node.args === 'bigint' ? Number(node.args) : undefined;
  }
  if (node.op === '-_') {
    const number = numberIn(node.args, thresholds);
    return number === undefined ? undefined : -number;
  }
  if (node.op !== '.' || node.args[0].op !== 'id' || node.args[0].args !== 'threshold') return undefined;
  return new Map(Object.entries(thresholds)).get(node.args[1]);
}

function domainOf(name: string): Range {
  return name.startsWith('events[') ? NOT_NEGATIVE : (DOMAINS[name] ?? from(-Infinity, true));
}

function from(min: number, minIsOpen: boolean): Range {
  return { min, minIsOpen, max: Infinity, maxIsOpen: true };
}

function upTo(max: number, maxIsOpen: boolean): Range {
  return { min: -Infinity, minIsOpen: true, max, maxIsOpen };
}

function intersect(a: Range, b: Range): Range {
  const [lower, upper] = [a.min > b.min ? a : b, a.max < b.max ? a : b];
  return {
    min: lower.min,
    minIsOpen: a.min === b.min ? a.minIsOpen || b.minIsOpen : lower.minIsOpen,
    max: upper.max,
    maxIsOpen: a.max === b.max ? a.maxIsOpen || b.maxIsOpen : upper.maxIsOpen,
  };
}

function isEmpty({ min, minIsOpen, max, maxIsOpen }: Range): boolean {
  return min > max || (min === max && (minIsOpen || maxIsOpen));
}
