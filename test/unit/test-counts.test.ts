import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

/** What the runner makes of a file's output; the script is plain JavaScript, so it is asked in a process of its own. */
function counts(output: string, trouble?: string): unknown {
  const module = pathToFileURL(resolve('scripts/testing/counts.mjs')).href;
  const program = `const { readCounts } = await import(${JSON.stringify(module)});
    console.log(JSON.stringify(readCounts(${JSON.stringify(output)}, ${JSON.stringify(trouble)})));`;
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  return JSON.parse(result.stdout);
}

function uvu(total: number, passed: number, skipped: number): string {
  return `\n  Total:     ${total}\n  Passed:    ${passed}\n  Skipped:   ${skipped}\n  Duration:  1.00ms\n\n`;
}

const FAILURE = '\n   FAIL  x  "a sentence"\n    why\n';
const CASES: { when: string; output: string; trouble?: string; expected: object }[] = [
  { when: 'all passed', output: uvu(3, 3, 1), expected: { passed: 3, failed: 0, skipped: 1 } },
  {
    when: 'uvu coloured its lines',
    output: uvu(2, 2, 0).replace('  Passed:    2', '\u001b[32m  Passed:    2\u001b[39m'),
    expected: { passed: 2, failed: 0, skipped: 0 },
  },
  {
    when: 'a test failed',
    output: FAILURE + uvu(3, 2, 0),
    trouble: 'ended with status 1',
    expected: { passed: 2, failed: 1, skipped: 0 },
  },
  {
    when: 'a hook threw before any test, and uvu ended with 0',
    output: uvu(2, 0, 0),
    expected: {
      passed: 0,
      failed: 2,
      skipped: 0,
      trouble: 'did not execute all its tests: a hook threw, which uvu does not tell',
    },
  },
  {
    when: 'all passed and the process crashed afterwards',
    output: uvu(1, 1, 0),
    trouble: 'ended with SIGSEGV',
    expected: { passed: 1, failed: 1, skipped: 0, trouble: 'ended with SIGSEGV' },
  },
  {
    when: 'nothing was run',
    output: '',
    expected: { passed: 0, failed: 1, skipped: 0, trouble: 'printed no counts' },
  },
  {
    when: 'everything was skipped',
    output: uvu(0, 0, 4),
    expected: { passed: 0, failed: 1, skipped: 4, trouble: 'no test was executed' },
  },
];

const test = suite('what the runner counts');
for (const { when, output, trouble, expected } of CASES) {
  test(`where ${when}`, () => assert.equal(counts(output, trouble), expected));
}
test.run();
