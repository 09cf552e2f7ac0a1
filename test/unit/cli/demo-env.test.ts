import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { demoEnvironment } from '../../../src/cli/demo-env.js';

const test = suite('the environment of the demo');

test('has none of our variables but those of the port, the host and the log, and what is not ours as it was', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../../.env.example'), 'utf8');
  const names = Object.keys(parseEnv(text.replace(/^#(?=[A-Z_]+=)/gm, '')));
  const others = { PATH: '/bin', METRICS_SERVERS_FROM_PATH_ONLY: '1' };
  const env = demoEnvironment({
    ...others,
    NODE_ENV: 'production',
    ...Object.fromEntries(names.map((name) => [name, `a ${name}`])),
  });
  const kept = { PORT: 'a PORT', HOST: 'a HOST', LOG_LEVEL: 'a LOG_LEVEL' };
  assert.equal(env, { ...others, ...kept, METRICS_PRIVATE_SERVERS: '1' });
});

test.run();
