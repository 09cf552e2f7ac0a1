import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CASES } from '../../bench/cases/index.js';
import { runCase } from '../../bench/harness/run-case.js';

const test = suite('npm run bench');

test('measures a case and its reference, with no event lost', async () => {
  const measured = CASES.find(({ name }) => name === 'single-post-all');
  assert.ok(measured);
  const result = await runCase(measured, { quick: true, pairs: 1, tell: () => undefined });
  assert.ok(result.kind === 'comparison');
  assert.ok(result.ours.median > 0 && result.reference.median > 0);
  assert.ok(result.ratio > 0);
  assert.equal(
    result.figures.map(({ unit }) => unit),
    ['events', 'events', 'ms', 'µs', 'µs'],
  );
  assert.ok(result.figures.every(({ value }) => value >= 0));
});

test('has a name for each case', () => {
  const names = CASES.map(({ name }) => name);
  assert.is(new Set(names).size, names.length);
  assert.ok(names.every((name) => /^[a-z][a-z0-9-]*$/.test(name)));
});

test.run();
