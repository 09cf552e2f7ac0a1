import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { plain } from '../../../src/cli/dev-log.js';

const test = suite('the log on the terminal');

test('tells what is wrong with rules, and not that it is an object', () => {
  const line = JSON.stringify({ level: 50, msg: 'Not valid', problems: [{ line: 5, detail: 'Unknown variable' }] });
  assert.is(plain(line), 'error: Not valid (problems: [{"line":5,"detail":"Unknown variable"}])\n');
});

test.run();
