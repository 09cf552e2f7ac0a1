import { isMap, isScalar, isSeq, type LineCounter, type YAMLMap } from 'yaml';
import { parseDuration, type RuleProblem } from '../parse-rules.js';

/** Reads parts of a YAML document, and notes what is wrong together with its line. */
export class YamlReader {
  readonly problems: RuleProblem[] = [];

  constructor(readonly lineCounter: LineCounter) {}

  lineOf(node: unknown): number {
    const range = typeof node === 'object' && node !== null && 'range' in node ? node.range : undefined;
    return Array.isArray(range) ? this.lineCounter.linePos(Number(range[0])).line : 1;
  }

  problem(node: unknown, detail: string): void {
    this.problems.push({ line: this.lineOf(node), detail });
  }

  /** A map with no other keys than these; undefined and a problem where it is none. */
  map(node: unknown, what: string, keys?: readonly string[]): YAMLMap | undefined {
    if (!isMap(node)) {
      this.problem(node, `${what} must be a map`);
      return undefined;
    }
    for (const { key } of node.items) {
      const name = textOf(key);
      if (keys !== undefined && !keys.includes(name)) {
        this.problem(key, `${name} is no setting of ${what}; known are ${keys.join(', ')}`);
      }
    }
    return node;
  }

  /** Keys and values of the map at `key`; none where it is missing. */
  entries(map: YAMLMap, key: string): (readonly [name: string, value: unknown, node: unknown])[] {
    const node = map.get(key, true);
    if (isMissing(node)) return [];
    return (this.map(node, key)?.items ?? []).map((pair) => [textOf(pair.key), pair.value, pair.key] as const);
  }

  /** The list at `key`, at most `max` long; empty where it is missing. */
  list(map: YAMLMap, key: string, max: number): readonly unknown[] {
    const node = map.get(key, true);
    if (isMissing(node)) return [];
    if (isSeq(node) && node.items.length <= max) return node.items;
    this.problem(node, `${key} must be a list of at most ${max}`);
    return [];
  }

  text(map: YAMLMap, key: string): string | undefined {
    const node = map.get(key, true);
    if (isMissing(node)) return undefined;
    if (isScalar(node)) return textOf(node);
    this.problem(node, `${key} must be a text`);
    return undefined;
  }

  /** A text that has to be there; '' and a problem where it is not. */
  requiredText(map: YAMLMap, key: string): string {
    const text = this.text(map, key);
    if (text === undefined) this.problem(map, `${key} is missing`);
    return text ?? '';
  }

  /** Milliseconds. */
  duration(map: YAMLMap, key: string): number | undefined {
    const node = map.get(key, true);
    if (isMissing(node)) return undefined;
    const durationMs = parseDuration(isScalar(node) ? node.value : undefined);
    if (durationMs === undefined) this.problem(node, `${key} must be a duration as 30s, 5m or 1h30m`);
    return durationMs;
  }
}

export function textOf(node: unknown): string {
  return isScalar(node) ? String(node.value) : '';
}

/** A scalar as it is written: to YAML `0x9` is the number nine. */
export function writtenText(node: unknown): string {
  return isScalar(node) ? (node.source ?? String(node.value)) : '';
}

function isMissing(node: unknown): boolean {
  return node === undefined || (isScalar(node) && node.value === null);
}
