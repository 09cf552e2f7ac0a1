import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { warnAbout } from '../../../src/alerts/check-rules.js';
import { parseRules } from '../../../src/alerts/parse-rules.js';
import { readTestFile } from '../../../src/alerts/testing/read-test-file.js';
import { runTestCase } from '../../../src/alerts/testing/run-test-case.js';

const CONFIG = join(import.meta.dirname, '../../../../config');
const test = suite('The rules that ship');

function readConfig(name: string): string {
  return readFileSync(join(CONFIG, name), 'utf8');
}

test('are valid, and nothing about them is odd', () => {
  const outcome = parseRules(readConfig('alerts.yaml'));
  assert.ok(outcome.ok, JSON.stringify(outcome));
  if (!outcome.ok) return;
  const settings = { intervalMs: 15_000, thresholds: { error_rate: 0.05, response_time: 2_000 } };
  assert.equal(warnAbout(outcome.rules, outcome.lines, settings), []);
});

const outcome = readTestFile(readConfig('alerts.test.yaml'), readConfig);
if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
for (const each of outcome.file.cases) {
  test(each.name, () => assert.equal(runTestCase(outcome.file, each), []));
}

test('each have a test that expects them to fire', () => {
  const expected = outcome.file.cases.flatMap(({ expectations }) => expectations.flatMap(({ alerts }) => alerts));
  const firing = new Set(expected.filter(({ status }) => status === 'firing').map(({ name }) => name));
  assert.equal([...firing].sort(), outcome.file.rules.map(({ name }) => name).sort());
});

test.run();
