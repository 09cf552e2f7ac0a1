// Runs a compiled program in the foreground, as if it had been called itself.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { root } from './bootstrap.mjs';

/**
 * Traces name lines of the sources; and the young generation grows to 48 MB instead of 128, of which most would be what has just been
 * read from the log, and be copied, not freed (docs/decisions/memory.md).
 */
const NODE_FLAGS = ['--enable-source-maps', '--max-semi-space-size=16'];

/**
 * Runs the service's bundle; see `runProgram`.
 * @param {string} node path of the Node.js to use
 * @param {string[]} args arguments of main.js
 */
export function runMain(node, args) {
  return runProgram(node, join(root, 'dist', 'bundle', 'main.js'), args);
}

/**
 * Runs a compiled program with this terminal, hands signals on, and ends this process as it ended.
 * @param {string} node path of the Node.js to use
 * @param {string} file the program
 * @param {string[]} args its arguments
 */
export function runProgram(node, file, args) {
  const program = [...NODE_FLAGS, file, ...args];
  // Keeps what V8 compiled of some thousand modules: a third of the time that loading them takes.
  const env = { NODE_COMPILE_CACHE: join(root, '.data', 'compile-cache'), ...process.env };
  const child = spawn(node, program, { stdio: 'inherit', env });
  // A terminal sends Ctrl-C to its whole foreground group, the child among them, which then gets it twice and takes
  // the second as harmless; there is no telling such a signal from one that was sent to this process alone.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
      resolve();
    });
  });
}
