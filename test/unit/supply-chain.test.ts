import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('The packages');

/** This file is dist/test/unit/supply-chain.test.js when it runs. */
const ROOT = join(import.meta.dirname, '../../..');

interface Locked {
  readonly version?: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
}

const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, Locked>;
};
const locked = Object.entries(packages).filter(([path]) => path !== '');
const served = locked.filter(([, { dev }]) => dev !== true);

/** Licences that ask for no more than their text, or leave the choice of one that does. */
const PERMISSIVE = new Set([
  '(MPL-2.0 OR Apache-2.0)',
  '0BSD',
  'Apache-2.0',
  'BSD',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
  'MIT-0',
  'Python-2.0',
  'Unlicense',
]);
/** Only their files called LICENSE say it: MIT. */
const UNDECLARED = new Set(['node_modules/decko', 'node_modules/stickyfill']);

test('that serving takes have licences that this one goes with', () => {
  assert.ok(served.length > 100);
  const others = served.filter(([path, { license = '' }]) => !PERMISSIVE.has(license) && !UNDECLARED.has(path));
  assert.equal(others, []);
});

test('are those that were looked at: exact versions, each with its hash', () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<
    'dependencies' | 'devDependencies',
    Record<string, string>
  >;
  const named = Object.entries({ ...dependencies, ...devDependencies });
  assert.equal(
    named.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)),
    [],
  );
  assert.equal(
    locked.filter(([, { integrity = '' }]) => !integrity.startsWith('sha512-')),
    [],
  );
});

test.run();
