// npm run bench:<name>: one measurement of bench/, against servers of its own.
import { join } from 'node:path';
import { ensureReady, root, runScript } from './bootstrap.mjs';
import { runProgram } from './run-node.mjs';

await runScript(async () => {
  const [name, ...args] = process.argv.slice(2);
  return runProgram(await ensureReady(), join(root, 'dist', 'bench', `${name}.js`), args);
});
