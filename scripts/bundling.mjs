// What the bundles of the service and of its tests have in common; both are made of what the compiler wrote.
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';

export const root = resolve(import.meta.dirname, '..');
export const dist = join(root, 'dist');
const KEPT_MS = 86_400_000;
/** Asked for where they are there, which they are not; and what only containers need, which is loaded from its place. */
const LEFT_OUT = [/^@nestjs\/(microservices|websockets|platform-express)/, /^@fastify\/(multipart|static|view)/];
export const EXTERNAL = ['class-validator', 'class-transformer', 'pg-native', 'testcontainers', ...LEFT_OUT];

/** Our own files, with the compiler's source maps, and with their places, seen from `folder`, where they ask for them. */
export function ownFiles(folder) {
  return {
    name: 'own-files',
    load(id) {
      if (!id.startsWith(dist + sep)) return null;
      const place = (path) => JSON.stringify(`/${relative(folder, path).split(sep).join('/')}`);
      const code = readFileSync(id, 'utf8')
        .replaceAll('import.meta.dirname', `(import.meta.dirname + ${place(dirname(id))})`)
        .replaceAll('import.meta.url', `new URL('.' + ${place(id)}, import.meta.url).href`);
      return { code, map: existsSync(`${id}.map`) ? readFileSync(`${id}.map`, 'utf8') : null };
    },
  };
}

/** How a bundle is written to `folder`. */
export function outputInto(folder, group) {
  return {
    dir: folder,
    format: 'esm',
    // Nest, MikroORM and our errors go by the names of classes; reflect-metadata has to be there before Nest.
    keepNames: true,
    strictExecutionOrder: true,
    sourcemap: true,
    sourcemapExcludeSources: true,
    codeSplitting: { groups: [{ name: 'lib', test: /[\\/]node_modules[\\/]/, ...group }] },
  };
}

/** Maps of the dependencies would be read at each start, and lead nowhere but to their code as it is. */
function removeMapOfDependencies(folder, name) {
  const path = join(folder, name);
  if (name.endsWith('.map')) rmSync(path);
  else writeFileSync(path, readFileSync(path, 'utf8').replace(/\n\/\/# sourceMappingURL=.*\n?$/, '\n'));
}

/** Removes what has no use of what was written, and parts of earlier bundles. */
export function tidy(folder, output) {
  const current = new Set(output.map(({ fileName }) => fileName));
  for (const name of current) if (name.startsWith('lib')) removeMapOfDependencies(folder, name);
  // For a day, since a process that runs may load one of them yet.
  for (const name of readdirSync(folder).filter((one) => one.includes('.js') && !current.has(one))) {
    const path = join(folder, name);
    if (Date.now() - statSync(path).mtimeMs > KEPT_MS) rmSync(path);
  }
}
