// npm run pictures [folder]: pictures of the page, of servers of its own, into docs/images unless told otherwise.
import { join } from 'node:path';
import { ensureReady, root, runScript } from './bootstrap.mjs';
import { runProgram } from './run-node.mjs';

await runScript(async () => {
  const program = join(root, 'dist', 'test', 'support', 'page-pictures.js');
  return runProgram(await ensureReady(), program, process.argv.slice(2));
});
