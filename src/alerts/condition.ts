import { type ASTNode, Environment, type SourceRange } from '@marcbachmann/cel-js';

/**
 * Names that a condition may use, and what they are. `by: service_name` gives those of one service, else they are the
 * platform's; `seconds_since_seen` is known of services alone.
 */
export const MEASURES = {
  error_rate: 'share of requests with status 500 and above, 0 to 1',
  request_rate: 'requests per second',
  requests: 'requests in the window',
  errors: 'requests with status 500 and above in the window',
  avg_response_time: 'mean response time, ms',
  p50_response_time: 'median response time, ms',
  p95_response_time: '95th percentile of response times, ms',
  p99_response_time: '99th percentile of response times, ms',
  cpu_usage: 'latest cpu_usage in the window, percent',
  memory_usage: 'latest memory_usage in the window, bytes',
  db_pool_usage: 'latest db_pool_active / latest db_pool_max in the window, 0 to 1',
  seconds_since_seen: 'seconds since the last event of the service',
} as const;
export type Measure = keyof typeof MEASURES;
export const MEASURE_NAMES = Object.keys(MEASURES) as readonly Measure[];

/** What a condition is asked about: measures that have a value, and counts of events by type. */
export interface ConditionContext extends Readonly<Partial<Record<Measure, number | undefined>>> {
  /** Of every event type that a condition names, 0 where there is none. */
  readonly events: ReadonlyMap<string, number>;
  readonly threshold: Thresholds;
}

export interface Thresholds {
  /** 0 to 1. */
  readonly error_rate: number;
  /** Milliseconds. */
  readonly response_time: number;
}

export interface Condition {
  readonly text: string;
  readonly measures: readonly Measure[];
  /** Event types that it counts. */
  readonly eventTypes: readonly string[];
  /**
   * The number that an alert shows: the first of those that the condition names that has a value, null without one.
   */
  value(context: ConditionContext): number | null;
  /**
   * Whether it holds; undefined where a measure that decides it has no value. Of `a || b` one may be without a value
   * where the other holds.
   */
  holds(context: ConditionContext): boolean | undefined;
}

export type ConditionOutcome =
  | { readonly ok: true; readonly condition: Condition }
  | { readonly ok: false; readonly detail: string; readonly range: SourceRange | undefined };

const LIMITS = { maxAstNodes: 500, maxDepth: 32, maxListElements: 64, maxMapEntries: 64, maxCallArguments: 8 };
const MAX_CHARACTERS = 1_000;
const environment = makeEnvironment();

function makeEnvironment(): Environment {
  const made = new Environment({ limits: LIMITS });
  for (const name of MEASURE_NAMES) made.registerVariable(name, 'double', { description: MEASURES[name] });
  made.registerVariable('events', 'map<string, double>');
  made.registerVariable({ name: 'threshold', schema: { error_rate: 'double', response_time: 'double' } });
  // CEL keeps whole numbers and fractions apart; who writes `requests * 2` means the same as `requests * 2.0`.
  const operators: Readonly<Record<string, (a: number, b: number) => number>> = {
    '+': (a, b) => a + b,
    '-': (a, b) => a - b,
    '*': (a, b) => a * b,
    '/': (a, b) => a / b,
  };
  for (const [operator, apply] of Object.entries(operators)) {
    made.registerOperator(`double ${operator} int`, (a: number, b: bigint) => apply(a, Number(b)));
    made.registerOperator(`int ${operator} double`, (a: bigint, b: number) => apply(Number(a), b));
  }
  made.registerOperator('double == int', (a: number, b: bigint) => a === Number(b));
  return made;
}

/** Parses and checks a condition: its names, its types, and that it is true or false. */
export function parseCondition(text: string): ConditionOutcome {
  if (text.length > MAX_CHARACTERS) {
    return { ok: false, detail: `has more than ${MAX_CHARACTERS} characters`, range: undefined };
  }
  const check = environment.check(text);
  if (!check.valid) {
    const [summary = ''] = (check.error?.message ?? 'is no expression').split('\n');
    return { ok: false, detail: `${summary}${hintFor(summary)}`, range: check.error?.range };
  }
  if (check.type !== 'bool') {
    return { ok: false, detail: `must be true or false, and is ${check.type}`, range: undefined };
  }
  const evaluate = environment.parse(text);
  const references = referencesIn(evaluate.ast);
  const measures = MEASURE_NAMES.filter((name) => references.some((each) => each.name === name));
  const events = references.filter(({ name }) => name === 'events');
  const eventTypes = events.flatMap(({ eventType }) => eventType ?? []);
  if (eventTypes.length < events.length) {
    return { ok: false, detail: 'events are asked for by name, as events["user_login"]', range: undefined };
  }
  const numbers = references.flatMap((each) => readerOf(each) ?? []);
  return {
    ok: true,
    condition: {
      text,
      measures,
      eventTypes,
      value: (context) => {
        for (const read of numbers) {
          const value = read(context);
          if (value !== undefined) return value;
        }
        return null;
      },
      holds: (context) => {
        // Without this, every silent service would cost an exception at every evaluation.
        const missing = measures.reduce((count, measure) => count + (context[measure] === undefined ? 1 : 0), 0);
        if (missing === measures.length && eventTypes.length === 0) return undefined;
        if (missing === 0) return evaluate(context) === true;
        return withoutStackTraces(() => {
          try {
            return evaluate(context) === true;
          } catch {
            // The types are checked, so what is left is a measure without a value.
            return undefined;
          }
        });
      },
    },
  };
}

/** What has no value is an exception in CEL, of which there may be thousands: nobody looks at where they came from. */
function withoutStackTraces<T>(work: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return work();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** A name in a condition; of `events["…"]` with the event type. */
interface Reference {
  readonly name: string;
  readonly eventType?: string;
  readonly at: number;
}

/** What a condition names, in the order in which it stands there. */
function referencesIn(root: ASTNode): Reference[] {
  const found: Reference[] = [];
  const pending: unknown[] = [root];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (Array.isArray(node)) pending.push(...node);
    else if (isNode(node)) {
      if (node.op === 'id') found.push({ name: node.args, at: node.start });
      else if (node.op === '[]' && node.args[0].op === 'id' && node.args[1].op === 'value') {
        found.push({ name: node.args[0].args, eventType: String(node.args[1].args), at: node.start });
      } else pending.push(node.args);
    }
  }
  return found.sort((a, b) => a.at - b.at);
}

function readerOf({ name, eventType }: Reference): ((context: ConditionContext) => number | undefined) | undefined {
  if (eventType !== undefined) return ({ events }) => events.get(eventType);
  const measure = MEASURE_NAMES.find((each) => each === name);
  return measure === undefined ? undefined : (context) => context[measure];
}

function isNode(value: unknown): value is ASTNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value;
}

/** What was probably meant. */
function hintFor(summary: string): string {
  const unknown = /^Unknown variable: (\w+)/.exec(summary)?.[1];
  if (unknown !== undefined) {
    const close = closest(unknown, [...MEASURE_NAMES, 'events', 'threshold']);
    return `; ${close === undefined ? `known are ${[...MEASURE_NAMES, 'events', 'threshold'].join(', ')}` : `did you mean ${close}?`}`;
  }
  if (summary.includes('== double') || summary.includes('string')) return '; measures are numbers';
  return '';
}

const MAX_TYPOS = 3;

function closest(name: string, known: readonly string[]): string | undefined {
  const ranked = known.map((each) => ({ each, distance: editDistance(name, each) }));
  const [best] = ranked.sort((a, b) => a.distance - b.distance);
  return best !== undefined && best.distance <= MAX_TYPOS ? best.each : undefined;
}

/** Levenshtein's distance, by the row-wise recurrence of Wagner and Fischer (1974). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
