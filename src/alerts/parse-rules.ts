import { isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, type YAMLMap } from 'yaml';
import { type Condition, parseCondition } from './condition.js';
import {
  type AlertRule,
  CHANNELS,
  type Channel,
  DEFAULT_WINDOW_MS,
  MAX_FOR_MS,
  MAX_RULES,
  MAX_WINDOW_MS,
  SEVERITIES,
  type Severity,
} from './rule.js';
import { yamlProblems } from './yaml-problems.js';

/** What is wrong in a file of rules, and where; lines are counted from 1. */
export interface RuleProblem {
  readonly line: number;
  readonly detail: string;
}

/** Name of a rule → line where it begins. */
export type RuleLines = ReadonlyMap<string, number>;

export type RulesOutcome =
  | { readonly ok: true; readonly rules: readonly AlertRule[]; readonly lines: RuleLines }
  | { readonly ok: false; readonly problems: readonly RuleProblem[] };

const KEYS = [
  'name',
  'condition',
  'resolve_condition',
  'severity',
  'notification',
  'for',
  'keep_firing_for',
  'window',
  'by',
  'labels',
  'summary',
  'repeat',
] as const;
type Key = (typeof KEYS)[number];

const NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,99}$/;
/** As Prometheus has them, who keeps those that begin with two underlines for itself. */
const LABEL = /^(?!__)[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const RESERVED_LABELS = ['service_name', 'alertname', 'severity'];
const DURATION = /^(?:(\d{1,4})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?$/;
const MAX_LABELS = 16;
const MAX_TEXT_CHARACTERS = 500;
const MAX_REPEAT_MS = 30 * 86_400_000;
const MIN_REPEAT_MS = 60_000;

/** Reads the rules of a YAML text. Everything that is wrong is told together, each with its line. */
export function parseRules(text: string): RulesOutcome {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, uniqueKeys: true });
  const reader = new RuleReader(lineCounter);
  reader.problems.push(...yamlProblems(document, lineCounter));
  return reader.problems.length > 0 ? reader.outcome([]) : reader.outcome(reader.readFile(document.contents));
}

/** Reads rules that stand in another file, as the list that `alerts` is in a file of rules. */
export function readRuleList(list: unknown, lineCounter: LineCounter): RulesOutcome {
  const reader = new RuleReader(lineCounter);
  return reader.outcome(reader.readList(list));
}

class RuleReader {
  readonly problems: RuleProblem[] = [];
  readonly #lines = new Map<string, number>();

  constructor(private readonly lineCounter: LineCounter) {}

  problem(offset: number, detail: string): void {
    this.problems.push({ line: this.lineCounter.linePos(offset).line, detail });
  }

  outcome(rules: readonly AlertRule[]): RulesOutcome {
    return this.problems.length === 0
      ? { ok: true, rules, lines: this.#lines }
      : { ok: false, problems: this.problems };
  }

  readFile(root: Node | null): AlertRule[] {
    if (root === null) return [];
    if (!isMap(root)) {
      this.problem(offsetOf(root), 'the file must be a map with the key alerts');
      return [];
    }
    for (const { key } of root.items) {
      if (textOf(key) !== 'alerts') this.problem(offsetOf(key), `${textOf(key)} is no setting; the key is alerts`);
    }
    return this.readList(root.get('alerts', true));
  }

  readList(list: unknown): AlertRule[] {
    if (list === undefined || (isScalar(list) && list.value === null)) return [];
    if (!isSeq(list)) {
      this.problem(offsetOf(list), 'alerts must be a list of rules');
      return [];
    }
    if (list.items.length > MAX_RULES) this.problem(offsetOf(list), `more than ${MAX_RULES} rules`);
    const rules = new Map<string, AlertRule>();
    for (const item of list.items) {
      const rule = this.#readRule(item);
      if (rule === undefined) continue;
      if (rules.has(rule.name)) this.problem(offsetOf(item), `a rule called ${rule.name} is there already`);
      rules.set(rule.name, rule);
      this.#lines.set(rule.name, this.lineCounter.linePos(offsetOf(item)).line);
    }
    return [...rules.values()];
  }

  #readRule(item: unknown): AlertRule | undefined {
    if (!isMap(item)) {
      this.problem(offsetOf(item), 'a rule must be a map');
      return undefined;
    }
    const before = this.problems.length;
    for (const { key } of item.items) {
      const name = textOf(key);
      if (!KEYS.some((known) => known === name)) {
        this.problem(offsetOf(key), `${name} is no setting of a rule; known are ${KEYS.join(', ')}`);
      }
    }
    const name = this.#text(item, 'name', NAME) ?? this.#missing(item, 'name');
    const condition = this.#condition(item, 'condition') ?? this.#missing(item, 'condition');
    const by = this.#choice(item, 'by', ['service_name', 'none'] as const);
    const rule = {
      resolveCondition: this.#condition(item, 'resolve_condition'),
      severity: this.#choice(item, 'severity', SEVERITIES) ?? ('warning' satisfies Severity),
      notification: this.#channels(item),
      forMs: this.#duration(item, 'for', 0, MAX_FOR_MS) ?? 0,
      keepFiringForMs: this.#duration(item, 'keep_firing_for', 0, MAX_FOR_MS) ?? 0,
      windowMs: this.#duration(item, 'window', 1_000, MAX_WINDOW_MS) ?? DEFAULT_WINDOW_MS,
      labels: this.#labels(item),
      summary: this.#text(item, 'summary', undefined),
      repeatMs: this.#duration(item, 'repeat', MIN_REPEAT_MS, MAX_REPEAT_MS),
    };
    if (name === undefined || condition === undefined || this.problems.length > before) return undefined;
    // Events belong to no service: a rule about them alone is about the platform.
    const isOfPlatform = condition.eventTypes.length > 0 && condition.measures.length === 0;
    if (by === 'none' && condition.measures.includes('seconds_since_seen')) {
      this.problem(
        offsetOf(item.get('by', true)),
        'seconds_since_seen is known of services only: use by: service_name',
      );
      return undefined;
    }
    return { name, condition, by: by ?? (isOfPlatform ? 'none' : 'service_name'), ...rule };
  }

  #missing(item: YAMLMap, key: Key): undefined {
    if (!item.has(key)) this.problem(offsetOf(item), `${key} is missing`);
    return undefined;
  }

  #scalar(item: YAMLMap, key: Key): { readonly value: unknown; readonly offset: number } | undefined {
    const node = item.get(key, true);
    if (node === undefined || (isScalar(node) && node.value === null)) return undefined;
    if (isScalar(node)) return { value: node.value, offset: offsetOf(node) };
    this.problem(offsetOf(node), `${key} must be a text`);
    return undefined;
  }

  #text(item: YAMLMap, key: Key, pattern: RegExp | undefined): string | undefined {
    const found = this.#scalar(item, key);
    if (found === undefined) return undefined;
    const { value, offset } = found;
    if (typeof value !== 'string' || value.length > MAX_TEXT_CHARACTERS) {
      this.problem(offset, `${key} must be a text of at most ${MAX_TEXT_CHARACTERS} characters`);
    } else if (pattern !== undefined && !pattern.test(value))
      this.problem(offset, `${key} must match ${pattern.source}`);
    else return value;
    return undefined;
  }

  #choice<T extends string>(item: YAMLMap, key: Key, choices: readonly T[]): T | undefined {
    const found = this.#scalar(item, key);
    if (found === undefined) return undefined;
    const choice = choices.find((each) => each === found.value);
    if (choice === undefined) this.problem(found.offset, `${key} must be one of ${choices.join(', ')}`);
    return choice;
  }

  /** `1h30m`, `90s`, or a whole number of seconds. */
  #duration(item: YAMLMap, key: Key, minMs: number, maxMs: number): number | undefined {
    const found = this.#scalar(item, key);
    if (found === undefined) return undefined;
    const milliseconds = parseDuration(found.value);
    if (milliseconds === undefined) this.problem(found.offset, `${key} must be a duration as 30s, 5m or 1h30m`);
    else if (milliseconds < minMs || milliseconds > maxMs) {
      this.problem(found.offset, `${key} must be from ${minMs / 1000} s to ${maxMs / 1000} s`);
    } else return milliseconds;
    return undefined;
  }

  #condition(item: YAMLMap, key: 'condition' | 'resolve_condition'): Condition | undefined {
    const found = this.#scalar(item, key);
    if (found === undefined) return undefined;
    if (typeof found.value !== 'string') {
      this.problem(found.offset, `${key} must be an expression, for example error_rate > 0.05`);
      return undefined;
    }
    const outcome = parseCondition(found.value);
    if (outcome.ok) return outcome.condition;
    this.problem(found.offset, `${key}: ${outcome.detail}`);
    return undefined;
  }

  /** `email,slack`, or a list. */
  #channels(item: YAMLMap): readonly Channel[] {
    const node = item.get('notification', true);
    if (node === undefined || (isScalar(node) && node.value === null)) return [];
    const names = isSeq(node) ? node.items.map(textOf) : textOf(node).split(',');
    const channels = names.map((name) => name.trim()).filter((name) => name !== '');
    const known = channels.flatMap((name) => CHANNELS.find((channel) => channel === name) ?? []);
    if (known.length !== channels.length) {
      this.problem(offsetOf(node), `notification must be of ${CHANNELS.join(', ')}`);
    }
    return [...new Set(known)];
  }

  #labels(item: YAMLMap): Readonly<Record<string, string>> {
    const node = item.get('labels', true);
    if (node === undefined || (isScalar(node) && node.value === null)) return {};
    if (!isMap(node) || node.items.length > MAX_LABELS) {
      this.problem(offsetOf(node), `labels must be a map of at most ${MAX_LABELS} texts`);
      return {};
    }
    const labels: Record<string, string> = {};
    for (const pair of node.items) {
      const label = this.#label(pair);
      if (label !== undefined) labels[label[0]] = label[1];
    }
    return labels;
  }

  #label({ key, value }: Pair): [string, string] | undefined {
    const name = textOf(key);
    if (!LABEL.test(name) || RESERVED_LABELS.includes(name)) {
      this.problem(offsetOf(key), `${name} cannot be a label: ${LABEL.source}, and not ${RESERVED_LABELS.join(', ')}`);
    } else if (!isScalar(value) || value.value === null || textOf(value).length > MAX_TEXT_CHARACTERS) {
      this.problem(
        offsetOf(value ?? key),
        `the label ${name} must be a text of at most ${MAX_TEXT_CHARACTERS} characters`,
      );
    } else return [name, textOf(value)];
    return undefined;
  }
}

/** Milliseconds of `1h30m`, or of a number of seconds. */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0 ? value * 1000 : undefined;
  if (typeof value !== 'string' || value === '') return undefined;
  const [whole, days, hours, minutes, seconds] = DURATION.exec(value) ?? [];
  if (whole === undefined) return undefined;
  const of = (text: string | undefined): number => Number(text ?? 0);
  return (((of(days) * 24 + of(hours)) * 60 + of(minutes)) * 60 + of(seconds)) * 1000;
}

function textOf(node: unknown): string {
  return isScalar(node) ? String(node.value) : '';
}

function offsetOf(node: unknown): number {
  return typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range)
    ? Number(node.range[0])
    : 0;
}
