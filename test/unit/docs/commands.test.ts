import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DOCUMENTS, isBelow, type Runnable, readRunnables } from '../../support/documented.js';

const ROOT = join(import.meta.dirname, '../../../..');

/** What no test runs, and why. */
const NOT_RUN: Readonly<Record<string, string>> = {};

const test = suite('commands and snippets of the documents');
const runnables = DOCUMENTS.flatMap(readRunnables);

/** Where tests take something out of a document to run it. */
const taken = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .flatMap((name) =>
    Array.from(
      readFileSync(join(ROOT, 'test', name), 'utf8').matchAll(/\bdocumented\(\s*'([^']+)',\s*'([^']+)',\s*'([^']+)'/g),
      ([, file = '', heading = '', kind = '']) => ({ name, file, heading, kind }),
    ),
  );

function isTaken(runnable: Runnable): boolean {
  return taken.some(
    ({ file, heading, kind }) => file === runnable.file && kind === runnable.kind && isBelow(runnable, heading),
  );
}

test('are taken out of the document and run by a test, or it is said why not', () => {
  // The same command may stand in several places.
  const run = new Set(runnables.filter(isTaken).map(({ text }) => text));
  const missing = runnables.filter(({ text }) => !run.has(text) && !(text.trim() in NOT_RUN));
  assert.equal(
    missing.map(({ file, heading, kind, text }) => `${file}, ${heading}: ${kind}: ${text}`),
    [],
  );
});

test('that are said not to be run are there', () => {
  const texts = new Set(runnables.map(({ text }) => text.trim()));
  assert.equal(
    Object.keys(NOT_RUN).filter((text) => !texts.has(text)),
    [],
  );
});

test('are taken from where they are', () => {
  const lost = taken.filter(
    ({ file, heading, kind }) =>
      !runnables.some((each) => each.file === file && each.kind === kind && isBelow(each, heading)),
  );
  assert.equal(lost, []);
});

test.run();
