import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DOCUMENTS, isBelow, type Runnable, readRunnables } from '../support/documented.js';

const ROOT = join(import.meta.dirname, '../../..');

/** What no test runs, and why. */
const NOT_RUN: Readonly<Record<string, string>> = {
  'npm run test:containers': 'it is what runs test/containers',
  'npm run bench': 'it measures for most of an hour; test/integration/bench.test.ts runs a case of it',
  'npm run bench:storage': 'it measures for minutes',
  'nats stream backup': 'the program is not there, and the section says that nobody has tried it',
  'git pull': 'there is nothing to pull',
  'grafana cli plugins install yesoreyeram-infinity-datasource': 'the tests run no Grafana',
};

/** Options of Docker that no test gives: containers of the tests reach one another, and not the machine. */
const NOT_GIVEN = ['--add-host'];

const test = suite('commands and snippets of the documents');
const runnables = DOCUMENTS.flatMap(readRunnables).filter(({ kind }) => kind !== 'text');

/** Where tests take something out of a document to run it. */
const taken = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .flatMap((name) =>
    Array.from(
      readFileSync(join(ROOT, 'test', name), 'utf8').matchAll(/\bdocumented\(\s*'([^']+)',\s*'([^']+)',\s*'([^']+)'/g),
      ([, file = '', heading = '', kind = '']) => ({ file, heading, kind }),
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
  const missing = runnables.filter(({ text }) => !run.has(text) && !(text in NOT_RUN));
  assert.equal(
    missing.map(({ file, heading, kind, text }) => `${file}, ${heading}: ${kind}: ${text}`),
    [],
  );
});

test('that are said not to be run are there, and nobody runs them', () => {
  const excused = Object.keys(NOT_RUN);
  assert.equal(
    excused.filter((text) => !runnables.some((each) => each.text === text && !isTaken(each))),
    [],
  );
});

test('have options that the command line, or a test of the image, knows', () => {
  const known = ['src/cli/program.ts', 'test/containers/image.test.ts']
    .map((name) => readFileSync(join(ROOT, name), 'utf8'))
    .join('\n');
  const options = DOCUMENTS.flatMap((file) =>
    Array.from(readFileSync(join(ROOT, file), 'utf8').matchAll(/`(--[^`]+)`/g), ([, code = '']) =>
      code.split(/\s+/).filter((word) => word.startsWith('--')),
    ).flat(),
  );
  assert.ok(options.includes('--force'));
  assert.equal([...new Set(options.filter((option) => !new RegExp(`'${option}[ ']`).test(known)))], NOT_GIVEN);
});

test.run();
