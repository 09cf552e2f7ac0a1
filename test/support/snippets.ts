import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../..');

/** A block of code in a Markdown file. */
export interface Snippet {
  readonly file: string;
  readonly language: string;
  readonly code: string;
}

/** The blocks of these languages, in the order of the file. */
export function readSnippets(file: string, languages: readonly string[]): Snippet[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return Array.from(text.matchAll(/^```(\w+)\n(.*?)^```$/gms), ([, language = '', code = '']) => ({
    file,
    language,
    code,
  })).filter(({ language }) => languages.includes(language));
}

/** The JSON objects that stand in a text as they are, whatever is around them. */
export function jsonObjectsIn(code: string): unknown[] {
  const found: unknown[] = [];
  for (let start = code.indexOf('{'); start >= 0; start = code.indexOf('{', start + 1)) {
    const object = jsonAt(code, start);
    if (object === undefined) continue;
    found.push(object.value);
    start = object.end;
  }
  return found;
}

/** Tries each closing bracket, since what is around the object may have brackets, too. */
function jsonAt(code: string, start: number): { readonly value: unknown; readonly end: number } | undefined {
  for (let end = code.indexOf('}', start); end >= 0; end = code.indexOf('}', end + 1)) {
    try {
      return { value: JSON.parse(code.slice(start, end + 1)), end };
    } catch {
      // Not the bracket that closes it, or no JSON at all.
    }
  }
  return undefined;
}
