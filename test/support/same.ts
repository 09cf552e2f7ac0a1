import * as assert from 'uvu/assert';

/**
 * Asserts that two large answers are equal, and names the first place where they are not: a diff would be pages long, and
 * uvu takes objects with a key `constructor` for different.
 */
export function same(found: unknown, wanted: unknown): void {
  const path = firstDifference(found, wanted, '');
  assert.is(path, undefined);
}

function firstDifference(found: unknown, wanted: unknown, path: string): string | undefined {
  if (Object.is(found, wanted)) return undefined;
  const [a, b] = [entriesOf(found), entriesOf(wanted)];
  if (a === undefined || b === undefined) return `${path}: ${JSON.stringify(found)}, and not ${JSON.stringify(wanted)}`;
  for (const key of new Set([...a.keys(), ...b.keys()])) {
    const difference = firstDifference(a.get(key), b.get(key), `${path}/${String(key)}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function entriesOf(value: unknown): ReadonlyMap<unknown, unknown> | undefined {
  if (value instanceof Map) return value;
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)) : undefined;
}
