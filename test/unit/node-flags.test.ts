import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const ROOT = join(import.meta.dirname, '../../..');
/** Whoever starts the service as it is meant to run. */
const STARTERS = ['scripts/run-node.mjs', 'Dockerfile', 'test/support/service-process.ts'];

function flagsIn(name: string): string {
  return [...readFileSync(join(ROOT, name), 'utf8').matchAll(/['"](--(?:enable|max)-[\w=-]+)['"]/g)]
    .map(([, flag]) => flag)
    .join(' ');
}

const flags = suite('flags of Node.js');

flags('are the same wherever the service is started', () => {
  const [first = '', ...others] = STARTERS.map(flagsIn);
  assert.match(first, /--max-semi-space-size=\d+/);
  for (const other of others) assert.is(other, first);
});

flags('are known to this Node.js, also those that the service sets itself', () => {
  const [, own = ''] = /setFlagsFromString\(`(--[\w-]+)=/.exec(readFileSync(join(ROOT, 'src/main.ts'), 'utf8')) ?? [];
  const known = spawnSync(process.execPath, ['--v8-options'], { encoding: 'utf8' }).stdout;
  for (const flag of [own, '--max-semi-space-size']) assert.ok(known.includes(`${flag} (`), flag);
});

flags.run();
