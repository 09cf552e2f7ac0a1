import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BODY_SPECIALS, BOTH_WAYS, OVER_HTTP, OVER_NATS } from './bodies.js';
import type { Row } from './rows.js';
import { TOKEN_SPECIALS, TOKENS } from './tokens.js';

const ROOT = join(import.meta.dirname, '../../../..');

/** The tests, by file and a piece of their text, of rows that are sent neither over HTTP nor over NATS. */
export const ELSEWHERE: readonly (readonly [row: Row, file: string, text: string])[] = [
  ['B18', 'unit/projections/series-registry', "test('a million distinct names are bounded'"],
  ['B18', 'integration/projector', "test('series are admitted once for good, whatever batch failed'"],
  ['B20', 'unit/alerts/parse-rules', "test('an alias bomb is refused'"],
  ['B20', 'unit/alerts/parse-rules', "['an unknown key'"],
  ['B20', 'unit/alerts/parse-rules', "['an unknown name'"],
  ['B20', 'unit/alerts/parse-rules', "['two rules of one name'"],
  ['B20', 'integration/alerts-cli', "test('check tells file, line and hint of each problem"],
  ['B20', 'integration/cli', "test('rules that are wrong are refused at start"],
  ['B20', 'integration/http/alerts', "test('a bad file of rules keeps the old ones"],
  ['B21', 'integration/notify/channels', "['a metadata service, even where private is allowed'"],
  [
    'B21',
    'integration/notify/channels',
    "test('line breaks in an alert change no header, and give one line in the log'",
  ],
  ['B21', 'integration/notify/channels', "test('a recipient with a line break is left out"],
];

/** A file of the project, by its path there. */
export function readProjectFile(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Rows and the ways that docs/faults.md names for them. */
export function documentedWays(): Map<string, string> {
  const found = readProjectFile('docs/faults.md').matchAll(/^\| (B\d+) +\|[^|]+\|([^|]*)\|/gm);
  return new Map([...found].map(([, row = '', ways = '']) => [row, ways.trim()]));
}

/** The same of what is sent, and of the rows that have tests elsewhere. */
export function triedWays(): Map<string, string> {
  const tried: (readonly [Row, 'HTTP' | 'NATS' | ''])[] = [
    ...[...TOKENS, ...OVER_HTTP, ...BOTH_WAYS.map(([http]) => http)].map(({ row }) => [row, 'HTTP'] as const),
    ...[...OVER_NATS, ...BOTH_WAYS.map(([, nats]) => nats)].map(({ row }) => [row, 'NATS'] as const),
    ...[...TOKEN_SPECIALS, ...BODY_SPECIALS].map(({ row, way }) => [row, way === 'http' ? 'HTTP' : 'NATS'] as const),
    ...ELSEWHERE.map(([row]) => [row, ''] as const),
  ];
  const ways = new Map<Row, Set<string>>();
  for (const [row, way] of tried) ways.set(row, (ways.get(row) ?? new Set<string>()).add(way));
  const byNumber = [...ways].sort(([a], [b]) => Number(a.slice(1)) - Number(b.slice(1)));
  return new Map(byNumber.map(([row, names]) => [row, [...names].sort().join(', ')]));
}
