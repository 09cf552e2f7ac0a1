// Bundles the test files: loading the service's two thousand modules takes a test file more processor time than most of
// its tests do. node build-tests.mjs, after the compiler; dist/bundle/tests/test~x.test.js then runs in
// place of dist/test/x.test.js.
import { readdirSync } from 'node:fs';
import { join, sep } from 'node:path';
import { rolldown } from 'rolldown';
import { dist, EXTERNAL, outputInto, ownFiles, tidy } from '../bundling.mjs';
import { bundledName } from './bundled-name.mjs';

const folder = join(dist, 'bundle', 'tests');
/** uvu keeps what is to be run in its own module, of which there may be one; the others read files beside them. */
const OUTSIDE = ['uvu', 'uvu/assert', 'playwright-core', '@seriousme/openapi-schema-validator'];

const names = readdirSync(join(dist, 'test'), { recursive: true })
  .filter((name) => name.endsWith('.test.js') && !name.startsWith(`containers${sep}`))
  .map((name) => join('test', name));
const bundle = await rolldown({
  input: Object.fromEntries(names.map((name) => [bundledName(name).replace(/\.js$/, ''), join(dist, name)])),
  platform: 'node',
  plugins: [ownFiles(folder)],
  external: [...EXTERNAL, ...OUTSIDE],
  logLevel: 'warn',
});
// Without spaces and comments there is a third less to read at each start.
const { output } = await bundle.write({ ...outputInto(folder, {}), minify: { compress: false, mangle: false } });
tidy(folder, output);
