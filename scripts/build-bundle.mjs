// Bundles what is started as a process of its own: the service with all its dependencies becomes a few files instead of
// some two thousand, of which opening and linking is most of what a start costs. dist/bundle/main.js is what npm start,
// bin/metrics and the tests run. node scripts/build-bundle.mjs, after the compiler; it reads what that wrote.
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { rolldown } from 'rolldown';

const root = resolve(import.meta.dirname, '..');
const dist = join(root, 'dist');
const folder = join(dist, 'bundle');
const KEPT_MS = 86_400_000;
const PROGRAMS = ['src/main.js', 'test/support/run-dying.js', 'test/support/run-projections.js'];
/** Asked for where they are there, which they are not; and what only containers need, which is loaded from its place. */
const LEFT_OUT = [/^@nestjs\/(microservices|websockets|platform-express)/, /^@fastify\/(multipart|static|view)/];
const EXTERNAL = ['class-validator', 'class-transformer', 'pg-native', 'testcontainers', ...LEFT_OUT];

/** Our own files, with the compiler's source maps, and with their places where they ask for them. */
const ownFiles = {
  name: 'own-files',
  load(id) {
    if (!id.startsWith(dist + sep)) return null;
    const place = JSON.stringify(`/${relative(folder, dirname(id)).split(sep).join('/')}`);
    const code = readFileSync(id, 'utf8').replaceAll('import.meta.dirname', `(import.meta.dirname + ${place})`);
    return { code, map: existsSync(`${id}.map`) ? readFileSync(`${id}.map`, 'utf8') : null };
  },
};

/** Maps of the dependencies would be read at each start, and lead nowhere but to their code as it is. */
function removeMapOfDependencies(name) {
  const path = join(folder, name);
  if (name.endsWith('.map')) rmSync(path);
  else writeFileSync(path, readFileSync(path, 'utf8').replace(/\n\/\/# sourceMappingURL=.*\n?$/, '\n'));
}

/** Parts of earlier bundles: for a day, since a process that runs may load one of them yet. */
function removeOld(current) {
  for (const name of readdirSync(folder).filter((one) => one.includes('.js') && !current.has(one))) {
    const path = join(folder, name);
    if (Date.now() - statSync(path).mtimeMs > KEPT_MS) rmSync(path);
  }
}

const bundle = await rolldown({
  input: PROGRAMS.map((name) => join(dist, name)),
  platform: 'node',
  plugins: [ownFiles],
  external: EXTERNAL,
  logLevel: 'warn',
});
const { output } = await bundle.write({
  dir: folder,
  format: 'esm',
  // Nest, MikroORM and our errors go by the names of classes; reflect-metadata has to be there before Nest.
  keepNames: true,
  strictExecutionOrder: true,
  sourcemap: true,
  sourcemapExcludeSources: true,
  codeSplitting: { groups: [{ name: 'lib', test: /[\\/]node_modules[\\/]/, entriesAware: true }] },
});
const names = output.map(({ fileName }) => fileName);
for (const name of names.filter((one) => one.startsWith('lib'))) removeMapOfDependencies(name);
removeOld(new Set(names));
