import { LineCounter, parseDocument, type YAMLMap } from 'yaml';
import type { Thresholds } from '../condition.js';
import { parseRules, type RuleProblem, type RulesOutcome, readRuleList } from '../parse-rules.js';
import type { AlertRule } from '../rule.js';
import { yamlProblems } from '../yaml-problems.js';
import { MAX_STEPS, parseSeries, type Series } from './series.js';
import {
  EXPECTED_STATUSES,
  type Expectation,
  type ExpectedAlert,
  type ServiceSeries,
  type TestCase,
  type TestFile,
} from './test-file.js';
import { textOf, writtenText, YamlReader } from './yaml-reader.js';

export type TestFileOutcome =
  | { readonly ok: true; readonly file: TestFile }
  | { readonly ok: false; readonly problems: readonly RuleProblem[] };

const FILE_KEYS = ['rule_file', 'alerts', 'evaluation_interval', 'thresholds', 'tests'];
const CASE_KEYS = ['name', 'interval', 'input_series', 'events', 'expect'];
const SERVICE_KEYS = ['requests', 'errors', 'response_time'];
const GAUGE_KEYS = ['cpu_usage', 'memory_usage', 'db_pool_active', 'db_pool_max'];
const EXPECTATION_KEYS = ['eval_time', 'rule', 'alerts'];
const ALERT_KEYS = ['name', 'status', 'labels', 'starts_at'];
const NAME = /^[A-Za-z0-9_-]{1,100}$/;
const DEFAULT_EVALUATION_INTERVAL_MS = 15_000;
const DEFAULT_INTERVAL_MS = 60_000;
const DEFAULT_THRESHOLDS: Thresholds = { error_rate: 0.05, response_time: 2_000 };
const MAX_CASES = 1_000;
const MAX_EXPECTATIONS = 1_000;
const MAX_ALERTS = 1_000;
/** Of one test: each is an event that the engine takes. */
const MAX_EVENTS = 1_000_000;

/**
 * Reads a file of tests. Everything that is wrong is told together, each with its line.
 *
 * @param readFile gives the text of a file of rules, relative to the file of tests; throws where it cannot be read
 */
export function readTestFile(text: string, readFile: (name: string) => string): TestFileOutcome {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, uniqueKeys: true });
  const mistakes = yamlProblems(document, lineCounter);
  if (mistakes.length > 0) return { ok: false, problems: mistakes };
  const reader = new TestReader(new YamlReader(lineCounter), readFile);
  const file = reader.read(document.contents);
  return file !== undefined && reader.problems.length === 0
    ? { ok: true, file }
    : { ok: false, problems: reader.problems };
}

class TestReader {
  constructor(
    private readonly yaml: YamlReader,
    private readonly readFile: (name: string) => string,
  ) {}

  get problems(): readonly RuleProblem[] {
    return this.yaml.problems;
  }

  read(root: unknown): TestFile | undefined {
    const map = this.yaml.map(root, 'the file', FILE_KEYS);
    if (map === undefined) return undefined;
    const rules = this.#rules(map);
    const evaluationIntervalMs = this.yaml.duration(map, 'evaluation_interval') ?? DEFAULT_EVALUATION_INTERVAL_MS;
    if (evaluationIntervalMs < 1_000) this.yaml.problem(map, 'evaluation_interval must be at least 1s');
    const thresholds = this.#thresholds(map);
    const cases = this.yaml
      .list(map, 'tests', MAX_CASES)
      .flatMap((item) => this.#case(item, rules, Math.max(evaluationIntervalMs, 1_000)) ?? []);
    if (cases.length === 0 && this.problems.length === 0) this.yaml.problem(map, 'tests is missing: there is no test');
    return { rules, evaluationIntervalMs, thresholds, cases };
  }

  #rules(map: YAMLMap): readonly AlertRule[] {
    const inline = map.get('alerts', true);
    const name = this.yaml.text(map, 'rule_file');
    if ((inline === undefined) === (name === undefined)) {
      this.yaml.problem(map, 'either rule_file names a file of rules, or alerts has them');
      return [];
    }
    return name === undefined ? this.#rulesOf(readRuleList(inline, this.yaml.lineCounter)) : this.#rulesIn(map, name);
  }

  #rulesOf(outcome: RulesOutcome): readonly AlertRule[] {
    if (outcome.ok) return outcome.rules;
    this.yaml.problems.push(...outcome.problems);
    return [];
  }

  #rulesIn(map: YAMLMap, name: string): readonly AlertRule[] {
    let text: string;
    try {
      text = this.readFile(name);
    } catch (error) {
      this.yaml.problem(map.get('rule_file', true), `${name} cannot be read: ${String(error)}`);
      return [];
    }
    const outcome = parseRules(text);
    if (outcome.ok) return outcome.rules;
    for (const { line, detail } of outcome.problems) {
      this.yaml.problem(map.get('rule_file', true), `${name}:${line}: ${detail}`);
    }
    return [];
  }

  #thresholds(map: YAMLMap): Thresholds {
    const given = new Map<string, number>();
    for (const [name, value, node] of this.yaml.entries(map, 'thresholds')) {
      const number = Number(textOf(value));
      if (!(name in DEFAULT_THRESHOLDS))
        this.yaml.problem(node, `${name} is no threshold; known are error_rate, response_time`);
      else if (textOf(value) === '' || !(number >= 0)) this.yaml.problem(value, `${name} must be a number from 0`);
      else given.set(name, number);
    }
    return {
      error_rate: given.get('error_rate') ?? DEFAULT_THRESHOLDS.error_rate,
      response_time: given.get('response_time') ?? DEFAULT_THRESHOLDS.response_time,
    };
  }

  #case(item: unknown, rules: readonly AlertRule[], evaluationIntervalMs: number): TestCase | undefined {
    const map = this.yaml.map(item, 'a test', CASE_KEYS);
    if (map === undefined) return undefined;
    const intervalMs = this.yaml.duration(map, 'interval') ?? DEFAULT_INTERVAL_MS;
    if (intervalMs < 1_000) this.yaml.problem(map.get('interval', true), 'interval must be at least 1s');
    const expectations = this.yaml
      .list(map, 'expect', MAX_EXPECTATIONS)
      .flatMap((each) => this.#expectation(each, rules, evaluationIntervalMs) ?? []);
    if (expectations.length === 0) this.yaml.problem(map, 'expect is missing: the test could not fail');
    const services = this.yaml
      .entries(map, 'input_series')
      .flatMap(([name, value, node]) => this.#service(name, value, node) ?? []);
    const events = new Map(
      this.yaml.entries(map, 'events').map(([name, value, node]) => [this.#name(name, node), this.#count(name, value)]),
    );
    const counts = [...services.map(({ requests }) => requests), ...events.values()].flat();
    if (counts.reduce<number>((sum, count) => sum + (count ?? 0), 0) > MAX_EVENTS) {
      this.yaml.problem(map, `a test may have at most ${MAX_EVENTS} requests and events`);
    }
    return {
      line: this.yaml.lineOf(map),
      name: this.yaml.requiredText(map, 'name'),
      intervalMs,
      services,
      events,
      expectations: expectations.toSorted((a, b) => a.evalTimeMs - b.evalTimeMs),
    };
  }

  #service(service: string, value: unknown, node: unknown): ServiceSeries | undefined {
    const map = this.yaml.map(value, service, [...SERVICE_KEYS, ...GAUGE_KEYS]);
    if (map === undefined) return undefined;
    const errors = this.#countAt(map, 'errors');
    const requests = map.has('requests') ? this.#countAt(map, 'requests') : errors;
    if (errors.some((count, step) => (count ?? 0) > (requests[step] ?? 0))) {
      this.yaml.problem(map.get('errors', true), `${service} has more errors than requests`);
    }
    return {
      service: this.#name(service, node),
      requests,
      errors,
      responseTime: this.#seriesAt(map, 'response_time', (number) => number >= 0, 'milliseconds'),
      gauges: new Map(
        GAUGE_KEYS.filter((key) => map.has(key)).map((key) => [key, this.#seriesAt(map, key, () => true, 'numbers')]),
      ),
    };
  }

  #name(name: string, node: unknown): string {
    if (!NAME.test(name)) this.yaml.problem(node, `${name} must match ${NAME.source}`);
    return name;
  }

  #countAt(map: YAMLMap, key: string): Series {
    return map.has(key) ? this.#count(key, map.get(key, true)) : [];
  }

  #count(key: string, node: unknown): Series {
    return this.#series(key, node, (number) => Number.isInteger(number) && number >= 0, 'whole numbers');
  }

  #seriesAt(map: YAMLMap, key: string, isFine: (number: number) => boolean, what: string): Series {
    return map.has(key) ? this.#series(key, map.get(key, true), isFine, what) : [];
  }

  #series(key: string, node: unknown, isFine: (number: number) => boolean, what: string): Series {
    const series = parseSeries(writtenText(node));
    if (series === undefined) {
      this.yaml.problem(node, `${key} must be at most ${MAX_STEPS} values as 10, 10x20, 50+5x10 or _x3`);
    } else if (series.some((number) => number !== undefined && !isFine(number))) {
      this.yaml.problem(node, `${key} must be ${what}, not negative`);
    } else return series;
    return [];
  }

  #expectation(item: unknown, rules: readonly AlertRule[], evaluationIntervalMs: number): Expectation | undefined {
    const map = this.yaml.map(item, 'an expectation', EXPECTATION_KEYS);
    if (map === undefined) return undefined;
    const evalTimeMs = this.yaml.duration(map, 'eval_time');
    if (!map.has('eval_time')) this.yaml.problem(map, 'eval_time is missing');
    if (!map.has('alerts')) this.yaml.problem(map, 'alerts is missing; [] where nothing fires');
    if ((evalTimeMs ?? 0) % evaluationIntervalMs !== 0) {
      this.yaml.problem(map.get('eval_time', true), `eval_time must be a multiple of ${evaluationIntervalMs / 1000} s`);
    }
    const rule = this.yaml.text(map, 'rule');
    if (rule !== undefined) this.#knownRule(rule, map.get('rule', true), rules);
    return {
      line: this.yaml.lineOf(map),
      evalTimeMs: evalTimeMs ?? 0,
      rule,
      alerts: this.yaml.list(map, 'alerts', MAX_ALERTS).flatMap((each) => this.#alert(each, rules) ?? []),
    };
  }

  #alert(item: unknown, rules: readonly AlertRule[]): ExpectedAlert | undefined {
    const map = this.yaml.map(item, 'an alert', ALERT_KEYS);
    if (map === undefined) return undefined;
    const name = this.yaml.requiredText(map, 'name');
    this.#knownRule(name, map, rules);
    const given = this.yaml.text(map, 'status') ?? 'firing';
    const status = EXPECTED_STATUSES.find((each) => each === given);
    if (status === undefined) {
      this.yaml.problem(map.get('status', true), `status must be one of ${EXPECTED_STATUSES.join(', ')}`);
    }
    return {
      line: this.yaml.lineOf(map),
      name,
      status: status ?? 'firing',
      labels: Object.fromEntries(this.yaml.entries(map, 'labels').map(([label, value]) => [label, textOf(value)])),
      startsAtMs: this.yaml.duration(map, 'starts_at'),
    };
  }

  /** A typing mistake in the name of what must not fire would go unnoticed for ever. */
  #knownRule(name: string, node: unknown, rules: readonly AlertRule[]): void {
    if (rules.length === 0 || rules.some((rule) => rule.name === name)) return;
    this.yaml.problem(node, `there is no rule called ${name}`);
  }
}
