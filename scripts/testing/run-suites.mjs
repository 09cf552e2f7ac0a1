// Runs several test files in this process, one after another, as uvu's own command line does: for files of which each
// costs little more than loading what it needs. Called as `node run-suites.mjs <file> ...`.
import { pathToFileURL } from 'node:url';

// Before uvu is loaded: it would otherwise run each file's tests as soon as there are some.
globalThis.UVU_DEFER = 1;
const { exec } = await import('uvu');
const queue = globalThis.UVU_QUEUE;
for (const file of process.argv.slice(2)) {
  globalThis.UVU_INDEX = queue.push([file.replace(/.*[\\/]test[\\/]/, '')]) - 1;
  await import(pathToFileURL(file).href);
  // Among others' tests nobody would miss them.
  if (queue.at(-1).length < 2) throw new Error(`${file} runs no test`);
}
await exec();
