import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BenchCase, Sample } from '../../bench/harness/case.js';
import { readOptions } from '../../bench/harness/options.js';
import { type KeptResult, readResults, withResults } from '../../bench/harness/readme.js';
import { type Comparison, compare, judge, median, meets } from '../../bench/harness/results.js';
import { runCase } from '../../bench/harness/run-case.js';
import { formatNumber, renderTables } from '../../bench/harness/table.js';

const test = suite('what npm run bench makes of its samples');

const POST = { name: 'post', title: 'a POST', unit: 'requests/s', goal: { atLeast: 0.5 } } as const;

function values(...all: readonly number[]): Sample[] {
  return all.map((value) => ({ value }));
}

function caseOf(
  sides: { ours: () => Promise<Sample>; reference: () => Promise<Sample> },
  close: () => void,
): BenchCase {
  return {
    ...POST,
    prepare: async () => ({
      ...sides,
      figures: async () => [{ what: 'backlog', value: 7, unit: 'events' }],
      close: async () => close(),
    }),
  };
}

function compared(ours: readonly Sample[], reference: readonly Sample[]): Comparison {
  return compare(POST, { ours, reference }, []);
}

test('the median is the one in the middle, or halfway between two', () => {
  assert.is(median([9, 1, 5]), 5);
  assert.is(median([4, 1, 3, 2]), 2.5);
  assert.is(median([3]), 3);
  assert.throws(() => median([]), 'no median of nothing');
});

test('the ratio is that of the medians, with the spread beside', () => {
  const { ours, reference, ratio, met } = compared(values(60, 50, 400), values(100, 1, 101));
  assert.equal([ours.median, ours.least, ours.most], [60, 50, 400]);
  assert.is(reference.median, 100);
  assert.is(ratio, 0.6);
  assert.is(met, true);
  assert.is(compared(values(49), values(100)).met, false);
});

test('a goal is met at its very value', () => {
  assert.ok(meets(0.9, { atLeast: 0.9 }) && !meets(0.899, { atLeast: 0.9 }));
  assert.ok(meets(300, { atMost: 300 }) && !meets(300.1, { atMost: 300 }));
  assert.is(judge({ what: 'memory', value: 1, unit: 'MB' }).met, null);
});

test('processor time is told for each operation, and not at all where a sample does not say', () => {
  const sample = (cpuSeconds: number): Sample => ({ value: 1, cpuSeconds, operations: 1_000 });
  assert.is(compared([sample(0.1), sample(0.2), sample(0.15)], values(1)).ours.cpu_us, 150);
  assert.is(compared([sample(0.1), { value: 1 }], values(1)).ours.cpu_us, null);
});

test('a sample that is none ends in an error and not in a ratio', () => {
  for (const wrong of [0, Number.NaN, Number.POSITIVE_INFINITY, -1]) {
    assert.throws(() => compared(values(1, wrong), values(1)), `A sample is ${wrong}`);
  }
});

test('both sides are measured in turns, and closed', async () => {
  const turns: string[] = [];
  const side = (name: string, value: number) => async () => {
    turns.push(name);
    return { value };
  };
  const measured = caseOf({ ours: side('ours', 6), reference: side('reference', 10) }, () => turns.push('closed'));
  const result = await runCase(measured, { quick: true, pairs: 2, tell: () => undefined });
  assert.equal(turns, ['ours', 'reference', 'ours', 'reference', 'closed']);
  assert.ok(result.kind === 'comparison' && result.ratio === 0.6);
  assert.equal(result.figures, [{ what: 'backlog', value: 7, unit: 'events', met: null }]);
});

test('a side that fails ends the case, which is closed', async () => {
  let closed = 0;
  const fails = async (): Promise<Sample> => {
    throw new Error('500');
  };
  const measured = caseOf({ ours: async () => ({ value: 1 }), reference: fails }, () => {
    closed += 1;
  });
  const failure = await runCase(measured, { quick: true, pairs: 2, tell: () => undefined }).catch((error) => error);
  assert.is(failure.message, '500');
  assert.is(closed, 1);
});

test('figures are rounded to what another run would say again', () => {
  assert.equal([12345.6, 99.96, 12.345, 0.00123456, 0].map(formatNumber), ['12,346', '100', '12.3', '0.00123', '0']);
});

test('the table has the goal and whether it is met', () => {
  const met = compare(POST, { ours: values(60), reference: values(100) }, [{ what: 'a | b', value: 1, unit: '' }]);
  const missed: Comparison = { ...met, name: 'other', ratio: 0.4, met: false, figures: [] };
  const [head, , first, second, , , , figure] = renderTables([met, missed]).split('\n');
  assert.match(head ?? '', /^\| case +\| unit/);
  assert.match(first ?? '', /post .* 60 \(60–60\) .* 0\.60 +\| ≥ 0\.5 \| met/);
  assert.match(second ?? '', /other .* 0\.40 +\| ≥ 0\.5 \| missed/);
  assert.match(figure ?? '', /post \| a \\\| b +\| 1 /);
});

test('results take the place of those before in the document', () => {
  const kept: KeptResult = {
    ...compared(values(1), values(2)),
    measured_at: '2026-01-02T03:04:05Z',
    machine: 'm',
    pairs: 5,
  };
  const document = 'a\n<!-- results: x -->\nold\n<!-- end of the results -->\nb\n';
  const text = withResults(document, [kept]);
  assert.not.match(text, 'old');
  assert.match(text, /^a\n[\s\S]*\| post \|[\s\S]*2026-01-02, m, 5 pairs: post[\s\S]*\nb\n$/);
  assert.is(withResults(text, [kept]), text);
  assert.throws(() => withResults('nothing', [kept]), 'no place');
});

test('what bench/README.md tells is what bench/results.json has', () => {
  const document = readFileSync(join(import.meta.dirname, '../../../bench/README.md'), 'utf8');
  assert.is(withResults(document, readResults()), document);
});

test('what is wrong with the arguments is told', () => {
  const all = [{ name: 'a' }, { name: 'b' }];
  assert.equal(readOptions(['b'], all).cases, [{ name: 'b' }]);
  assert.is(readOptions([], all).pairs, 5);
  assert.is(readOptions(['--quick'], all).pairs, 1);
  assert.throws(() => readOptions(['c'], all), 'no case c');
  for (const pairs of ['0', '1.5', 'x', '101']) assert.throws(() => readOptions(['--pairs', pairs], all), '--pairs');
  for (const more of [['--quick'], ['--pairs', '4']]) {
    assert.throws(() => readOptions(['--write-readme', ...more], all), 'keeps no tries');
  }
  assert.throws(() => readOptions(['--fast'], all), '--fast');
});

test.run();
