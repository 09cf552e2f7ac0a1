import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../..');

/** The documents in which everything that can be run is run by a test: test/unit/document-commands.test.ts holds them to it. */
export const DOCUMENTS = [
  'README.md',
  'docs/operating.md',
  'docs/production.md',
  'docs/publishing.md',
  'docs/alerts.md',
  'docs/grafana.md',
] as const;
export type DocumentName = (typeof DOCUMENTS)[number];

/**
 * Something in a document that can be run. `kind` is the language of a block (`ts`, `yaml` …), and of a line of a block
 * without one, or of code within a sentence, which program it calls. `text` is what a program prints, a formula or a drawing.
 */
export interface Runnable {
  readonly file: DocumentName;
  /** The heading that it stands below, without the `#`. */
  readonly heading: string;
  readonly kind: string;
  readonly text: string;
}

const PROGRAMS: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ['docker', /^docker /],
  ['metrics', /^(?:npm run metrics|bin\/metrics|metrics) /],
  ['npm', /^np[mx] /],
  ['curl', /^curl /],
  ['shell', /^(?:apt-get|cp|echo|git|go|grafana|kill|nats|node|openssl|pip|promtool|psql|python3|redis-cli|sh|tar) /],
];
const FENCE = /^( *)```(\w*)\n(.*?)^\1```$/gms;

/** What stands in one document, in its order. */
export function readRunnables(file: DocumentName): Runnable[] {
  const found: Runnable[] = [];
  for (const { heading, body } of sections(readFileSync(join(ROOT, file), 'utf8'))) {
    const add = (kind: string, texts: readonly string[]): void => {
      for (const text of texts) found.push({ file, heading, kind, text });
    };
    for (const [, indent = '', language = '', block = ''] of body.matchAll(FENCE)) {
      const code = block.replaceAll(new RegExp(`^${indent}`, 'gm'), '');
      if (language !== '') add(language, [code]);
      else for (const line of commandLines(code)) add(kindOf(line) ?? 'unknown', alternatives(line));
    }
    for (const [, code = ''] of body.replaceAll(FENCE, '').matchAll(/`([^`]+)`/g)) {
      const line = code.replaceAll(/\s+/g, ' ');
      const kind = kindOf(line);
      if (kind !== undefined) add(kind, alternatives(line));
    }
  }
  return found;
}

/**
 * What a test takes out of a document to run it. Its calls, which have to be written out, are what test/unit/document-commands.test.ts counts.
 *
 * @param heading the heading that it stands below, or `*` for the whole document
 * @param count how many there are, for a test that takes each by its place: so a new one is not passed over
 * @returns each once, those of blocks before those of sentences
 * @throws where nothing is there, or another count, so that no test passes without
 */
export function documented(file: DocumentName, heading: string, kind: string, count?: number): string[] {
  const found = readRunnables(file).filter((each) => isBelow(each, heading) && each.kind === kind);
  const texts = [...new Set(found.map(({ text }) => text))];
  if (texts.length === 0 || texts.length !== (count ?? texts.length)) {
    throw new Error(`${file} has ${texts.length} of ${kind} below ${heading}`);
  }
  return texts;
}

export function isBelow(runnable: Runnable, heading: string): boolean {
  return heading === '*' || runnable.heading === heading;
}

/** Each heading with what follows it until the next, whichever level that has. */
function sections(text: string): { readonly heading: string; readonly body: string }[] {
  // A line of code that begins with # is no heading.
  const hidden = text.replaceAll(FENCE, (block) => block.replaceAll(/^#/gm, '\0'));
  return hidden.split(/^#+ /m).map((part) => {
    const end = part.indexOf('\n');
    const heading = part.slice(0, end);
    // Code in a heading is a command like any other.
    return { heading: heading.replaceAll('`', ''), body: part.replaceAll('\0', '#') };
  });
}

/** The lines of a block that are typed: those behind `$ ` where there are such, else all; without comments. */
function commandLines(block: string): string[] {
  const lines = block
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.replace(/(?:^|\s+)#(?: .*)?$/, '').trim())
    .filter((line) => line !== '');
  const typed = lines.filter((line) => line.startsWith('$ ')).map((line) => line.slice(2));
  return typed.length > 0 ? typed : lines;
}

/** Which program a line calls; its output may go into a variable. */
function kindOf(line: string): string | undefined {
  const call = line.replace(/^\w+=\$\(/, '');
  return PROGRAMS.find(([, pattern]) => pattern.test(call))?.[0];
}

/** `rebuild <a|b>` stands for two commands. */
function alternatives(line: string): string[] {
  const [whole, choice] = /<([^<>]*\|[^<>]*)>/.exec(line) ?? [];
  if (whole === undefined || choice === undefined) return [line];
  return choice.split('|').flatMap((each) => alternatives(line.replace(whole, each)));
}
