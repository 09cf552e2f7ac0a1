// Builds the page: web/page becomes dist/page, each file beside its compressed forms, so that serving costs nothing.
// node scripts/build-page.mjs, on a Node.js that Vite takes; npm start and npm test run it where something has changed.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from 'vite';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const COMPRESSED = /\.(html|js|css|svg)$/;

await build({ configFile: join(root, 'web', 'vite.config.mjs'), logLevel: 'warn' });
const folder = join(root, 'dist', 'page');
for (const name of readdirSync(folder, { recursive: true })) {
  if (!COMPRESSED.test(name)) continue;
  const path = join(folder, name);
  const bytes = readFileSync(path);
  writeFileSync(`${path}.gz`, gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }));
  writeFileSync(`${path}.br`, brotliCompressSync(bytes));
}
