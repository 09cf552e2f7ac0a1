import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Environment, loadConfig } from '../../src/config.js';

const test = suite('.env.example');

/** The lines stand commented out, so that a copy changes nothing. */
const text = readFileSync(join(import.meta.dirname, '../../../.env.example'), 'utf8');
const example = parseEnv(text.replace(/^#(?=[A-Z_]+=)/gm, ''));

/** Variables that are read elsewhere than in src/config.ts: by Node.js itself. */
const NOT_OURS = new Set(['NODE_ENV']);

/** The variables that loadConfig looks at for some environment. */
function variablesRead(env: Environment): string[] {
  const read = new Set<string>();
  loadConfig(
    new Proxy(env, {
      get(target, name) {
        if (typeof name === 'string') read.add(name);
        return Reflect.get(target, name);
      },
    }),
  );
  return [...read].filter((name) => !NOT_OURS.has(name));
}

test('has every variable that is read, and no other', () => {
  const secret = { JWT_SECRET: 'x'.repeat(32) };
  const keySet = { JWT_JWKS_URL: 'https://issuer.example/keys' };
  const read = new Set([...variablesRead(secret), ...variablesRead(keySet)]);
  assert.equal([...read].sort(), Object.keys(example).sort());
});

test('changes nothing as it stands', () => {
  assert.equal(parseEnv(text), {});
});

test('names the defaults', () => {
  const secret = { JWT_SECRET: 'x'.repeat(32) };
  assert.equal(loadConfig({ ...example, ...secret }), loadConfig(secret));
});

test.run();
