/** A block of code in a Markdown file. */
export interface Snippet {
  readonly file: string;
  readonly language: string;
  readonly code: string;
}

/** Blocks that were taken out of a document. */
export function snippetsOf(file: string, language: string, blocks: readonly string[]): Snippet[] {
  return blocks.map((code) => ({ file, language, code }));
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
