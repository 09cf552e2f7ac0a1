import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seriesToCsv } from '../../../src/http/csv.js';
import type { Series, SplitSeries } from '../../../src/queries/dashboard-axis.js';

const test = suite('A series as CSV');
const points = (...values: (number | null)[]): Series => values.map((value, index) => ({ t: `t${index}`, value }));

const CASES: [what: string, series: Series | SplitSeries, csv: string][] = [
  ['a plain one has two columns', points(1, 2.5, -3e-7), 't,value\r\nt0,1\r\nt1,2.5\r\nt2,-3e-7\r\n'],
  ['null is an empty cell, zero is not', points(null, 0), 't,value\r\nt0,\r\nt1,0\r\n'],
  ['one without points has its header', points(), 't,value\r\n'],
  ['a split one has a column for each key', { b: points(1, null), a: points(3, 4) }, 't,b,a\r\nt0,1,3\r\nt1,,4\r\n'],
  ['a split one without keys has its header', {}, 't\r\n'],
  ['what would break a cell is quoted', { 'a,"b"\n': points(1) }, 't,"a,""b""\n"\r\nt0,1\r\n'],
  [
    'what would be a formula is made text',
    { '=1+1': points(1), '+a': points(2), '-b': points(3), '@c': points(4), 'd=e': points(5) },
    "t,'=1+1,'+a,'-b,'@c,d=e\r\nt0,1,2,3,4,5\r\n",
  ],
  ['both at once', { '=a,b': points(1) }, `t,"'=a,b"\r\nt0,1\r\n`],
];
for (const [what, series, csv] of CASES) {
  test(what, () => assert.is(seriesToCsv(series), csv));
}

test.run();
