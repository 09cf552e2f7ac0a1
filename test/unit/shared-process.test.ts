import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const UVU = pathToFileURL(resolve('node_modules/uvu/dist/index.mjs')).href;
const RUN_SUITES = resolve('scripts/testing/run-suites.mjs');

/** What the runner prints of files that share a process, made of statements; without any, it runs no suite. */
function run(bodies: Readonly<Record<string, string>>): { output: string; status: number | null } {
  const folder = mkdtempSync(join(tmpdir(), 'suites-'));
  try {
    mkdirSync(join(folder, 'test'));
    const files = Object.entries(bodies).map(([name, body]) => {
      const path = join(folder, 'test', `${name}.test.mjs`);
      const lines = [
        `import { suite } from '${UVU}';`,
        `const test = suite('${name}');`,
        body === '' ? '' : `${body}\ntest.run();`,
      ];
      writeFileSync(path, lines.join('\n'));
      return path;
    });
    const { stdout, stderr, status } = spawnSync(process.execPath, [RUN_SUITES, ...files], { encoding: 'utf8' });
    return { output: stdout + stderr, status };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const FINE = "test('is fine', () => undefined);";
const test = suite('files that share a process');

test('are run in turn, each with its time, and counted together', () => {
  const { output, status } = run({ first: FINE, second: FINE });
  assert.is(status, 0, output);
  assert.match(output, /first\.test\.mjs took [\d.]+ s[\s\S]*second\.test\.mjs took [\d.]+ s/);
  assert.match(output, /Total: +2\n +Passed: +2\n/);
});

test('go on after a failed test, which fails the process', () => {
  const { output, status } = run({ first: "test('fails', () => { throw new Error('no'); });", second: FINE });
  assert.is(status, 1);
  assert.match(output, /Total: +2\n +Passed: +1\n/);
  assert.not.match(output, /ended in/);
});

for (const [how, body] of Object.entries({
  'an error that nobody catches': "test('x', () => new Promise(() => setTimeout(() => { throw new Error('no'); })));",
  'an end of the process': "test('x', () => process.exit(0));",
  'nothing left to wait for': "test('x', () => new Promise(() => undefined));",
})) {
  test(`name the one that ends them all: ${how}`, () => {
    const { output, status } = run({ first: FINE, second: body, third: FINE });
    assert.is.not(status, 0, output);
    assert.match(output, /ended in second\.test\.mjs/);
  });
}

test('name the one that runs no test', () => {
  const { output, status } = run({ first: FINE, second: '' });
  assert.is.not(status, 0);
  assert.match(output, /second\.test\.mjs runs no test/);
});

test.run();
