import { dirname, resolve } from 'node:path';
import { readTestFile } from '../alerts/testing/read-test-file.js';
import { runTestCase } from '../alerts/testing/run-test-case.js';
import { ConfigError } from '../config-error.js';
import { counted } from './counted.js';
import { at, readTextFile } from './rules-file.js';

/**
 * `metrics alerts test`: plays the tests of each file, and prints each expectation that is not met with what was found.
 *
 * @returns 0 all are met, 1 not
 * @throws ConfigError where a file cannot be read, or with everything that is wrong in it
 */
export async function runAlertsTest(files: readonly string[]): Promise<number> {
  // All are read first, so that what is wrong with one is told before the others have been played.
  const tests = files.map((file) => ({ file, test: load(file) }));
  let failures = 0;
  for (const { file, test } of tests) {
    let failed = 0;
    for (const each of test.cases) {
      const problems = runTestCase(test, each);
      for (const problem of problems) process.stdout.write(at(file, problem));
      if (problems.length > 0) failed += 1;
    }
    const { length } = test.cases;
    const verdict =
      failed === 0 ? `${counted(length, 'test')} passed` : `${failed} of ${counted(length, 'test')} failed`;
    process.stdout.write(`${file}: ${verdict}\n`);
    failures += failed;
  }
  return failures === 0 ? 0 : 1;
}

function load(file: string) {
  const outcome = readTestFile(readTextFile(file), (name) => readTextFile(resolve(dirname(file), name)));
  if (outcome.ok) return outcome.file;
  throw new ConfigError(outcome.problems.map(({ line, detail }) => ({ name: `${file}:${line}:`, detail })));
}
