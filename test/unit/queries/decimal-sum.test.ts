import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DecimalSum } from '../../../src/queries/decimal-sum.js';

const test = suite('sums of decimals');

const sumOf = (...texts: readonly string[]): number => {
  const sum = new DecimalSum();
  for (const text of texts) sum.add(text);
  return sum.value;
};

test('decimals are added exactly, and rounded once', () => {
  for (const [texts, wanted] of [
    [[], 0],
    [['5'], 5],
    [['0.1', '0.2'], 0.3],
    [['-0.05', '0.050'], 0],
    [['-12.5', '2'], -10.5],
    [['9007199254740993', '0.5', '-9007199254740993'], 0.5],
    [['0.00000000000000000001', '1'], 1],
    [['123456789012345678901234567890.125'], 1.2345678901234568e29],
  ] as const) {
    assert.is(sumOf(...texts), wanted, texts.join(' + '));
  }
});

test('the order makes no difference', () => {
  const decimal = fc.tuple(fc.integer(), fc.nat(999_999)).map(([whole, part]) => `${whole}.${part}`);
  fc.assert(
    fc.property(fc.array(decimal, { minLength: 1, maxLength: 20 }), (texts) => {
      assert.is(sumOf(...texts), sumOf(...[...texts].reverse()));
    }),
  );
});

test.run();
