import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../..');

/** Words behind `node` that an `npm run …` of a document comes to: tests run them without npm, which takes half a second. */
export function npmScript(line: string): string[] {
  const { scripts }: { scripts: Readonly<Record<string, string>> } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  );
  const [npm, run, name = ''] = line.split(' ');
  const [exec, node, ...words] = (scripts[name] ?? '').split(' ');
  if (npm !== 'npm' || run !== 'run' || exec !== 'exec' || node !== 'node') {
    throw new Error(`${line} is no script of package.json that is a program in Node.js`);
  }
  return words;
}
