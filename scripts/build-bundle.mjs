// Bundles what is started as a process of its own: the service with all its dependencies becomes a few files instead of
// some two thousand, of which opening and linking is most of what a start costs. dist/bundle/main.js is what npm start,
// bin/metrics and the tests run. node scripts/build-bundle.mjs, after the compiler; it reads what that wrote.
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { dist, EXTERNAL, outputInto, ownFiles, tidy } from './bundling.mjs';

const folder = join(dist, 'bundle');
const PROGRAMS = [
  'src/main.js',
  'test/support/notify-process.js',
  'test/support/run-dying.js',
  'test/support/run-projections.js',
];

const bundle = await rolldown({
  input: PROGRAMS.map((name) => join(dist, name)),
  platform: 'node',
  plugins: [ownFiles(folder)],
  external: EXTERNAL,
  logLevel: 'warn',
});
const { output } = await bundle.write(outputInto(folder, { entriesAware: true }));
tidy(folder, output);
