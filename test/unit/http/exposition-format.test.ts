import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chooseExposition } from '../../../src/http/exposition-format.js';

const test = suite('the format of a scrape');

const PROMETHEUS =
  'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
for (const [accept, format] of [
  [undefined, 'text'],
  ['*/*', 'text'],
  ['text/plain', 'text'],
  [PROMETHEUS, 'openmetrics'],
  ['application/openmetrics-text', 'openmetrics'],
  ['Application/OpenMetrics-Text; version=1.0.0 ; Q=0.3', 'openmetrics'],
  ['application/openmetrics-text;q=0', 'text'],
  ['application/openmetrics-text;q=0.000, */*', 'text'],
  ['application/openmetrics-text;q=nonsense', 'text'],
  ['application/openmetrics-text;q=0.4, text/plain;q=0.5', 'text'],
  ['application/openmetrics-textual', 'text'],
  ['text/html;note=application/openmetrics-text', 'text'],
] as const) {
  test(`${accept ?? 'no wish'} gets ${format}`, () => assert.is(chooseExposition(accept), format));
}

test.run();
