// Runs several test files in this process, one after another, as uvu's own command line does: for files of which each
// costs little more than loading what it needs. Called as `node run-suites.mjs <file> ...`.
import { pathToFileURL } from 'node:url';

// Before uvu is loaded: it would otherwise run each file's tests as soon as there are some.
globalThis.UVU_DEFER = 1;
const { exec } = await import('uvu');
const queue = globalThis.UVU_QUEUE;
const NOTHING_RUN = [true, 0, 0, 0];
let current = 'no file yet';

/** A step among a file's suites that counts as none. */
function step(action) {
  return async () => {
    action();
    return NOTHING_RUN;
  };
}

async function add(file) {
  const name = file.replace(/.*[\\/]test[\\/~]/, '').replaceAll('~', '/');
  current = name;
  let startedMs;
  const begin = step(() => {
    current = name;
    startedMs = performance.now();
  });
  globalThis.UVU_INDEX = queue.push([name, begin]) - 1;
  await import(pathToFileURL(file).href);
  // Among others' tests nobody would miss them.
  if (queue.at(-1).length < 3) throw new Error(`${file} runs no test`);
  const end = () => console.log(`  ${name} took ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  queue.at(-1).push(step(end));
}

let isDone = false;
process.on('exit', () => {
  if (!isDone) console.error(`the process of these files ended in ${current}`);
});
for (const file of process.argv.slice(2)) await add(file);
await exec();
isDone = true;
