// Runs one test file, or several that share a process, with a time limit.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isFinished, readCounts } from './counts.mjs';

// The longest tests may take three minutes; faults in full hold servers away for ten, and kill for as long as that takes.
const FILE_TIMEOUT_MS = process.env.METRICS_FAULTS === 'full' ? 3_600_000 : 300_000;
/** How long a file may live on after its last test: an open handle would otherwise cost the whole limit. */
const LINGER_TIMEOUT_MS = 15_000;
const END_TIMEOUT_MS = 5000;
const POLL_INTERVAL_MS = 100;
const MAX_OUTPUT_CHARACTERS = 2_000_000;
const RUN_SUITES = join(import.meta.dirname, 'run-suites.mjs');

function killGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** How many of the files that share a process have ended. */
function countEnded(output) {
  return output.match(/^ {2}\S+ took [\d.]+ s$/gm)?.length ?? 0;
}

/** Waits for the file to end; answers why it had to be ended, where it had. Each file of several has the whole limit. */
async function watch(exited, hasEnded, output, { signal, timeoutMs = FILE_TIMEOUT_MS }) {
  let deadlineMs = performance.now() + timeoutMs;
  let endedCount = 0;
  let lingerEndMs;
  while (!hasEnded()) {
    if (signal.aborted) return 'was called off';
    const nowEnded = countEnded(output());
    if (nowEnded > endedCount) {
      endedCount = nowEnded;
      deadlineMs = performance.now() + timeoutMs;
    }
    if (performance.now() > deadlineMs) return `did not end within ${timeoutMs / 1000} s`;
    if (isFinished(output().slice(-2000))) lingerEndMs ??= performance.now() + LINGER_TIMEOUT_MS;
    else lingerEndMs = undefined;
    if (lingerEndMs !== undefined && performance.now() > lingerEndMs) {
      return `did not end within ${LINGER_TIMEOUT_MS / 1000} s of its last test: something is left open`;
    }
    await Promise.race([exited, sleep(POLL_INTERVAL_MS)]);
  }
  return undefined;
}

async function end(child, hasEnded) {
  killGroup(child.pid, 'SIGTERM'); // test/support then ends its servers itself.
  const deadlineMs = performance.now() + END_TIMEOUT_MS;
  while (!hasEnded() && performance.now() < deadlineMs) await sleep(POLL_INTERVAL_MS);
  killGroup(child.pid, 'SIGKILL');
}

/**
 * @param {string} node path of the Node.js to use
 * @param {string[]} paths the compiled test files
 * @param {{cwd: string, env: NodeJS.ProcessEnv, signal: AbortSignal, timeoutMs?: number}} options `signal` ends it early
 * @returns {Promise<{passed: number, failed: number, skipped: number, trouble?: string, output: string, seconds: number}>}
 */
export async function runFile(node, paths, { cwd, env, ...bounds }) {
  const startedMs = performance.now();
  // A group of its own: the terminal's Ctrl-C reaches the runner alone, and all that the file starts can be ended.
  const program = paths.length === 1 ? paths : [RUN_SUITES, ...paths];
  const child = spawn(node, ['--enable-source-maps', ...program], {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let outcome;
  const collect = (data) => {
    output = (output + data).slice(-MAX_OUTPUT_CHARACTERS);
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const exited = new Promise((resolve) => {
    child.once('error', (error) => resolve(`could not be run: ${error.message}`));
    child.once('exit', (code, endSignal) =>
      resolve(code === 0 ? 'fine' : `ended with ${endSignal ?? `status ${code}`}`),
    );
  }).then((how) => {
    outcome = how;
  });
  const closed = once(child, 'close').catch(() => undefined);
  const hasEnded = () => outcome !== undefined;
  const cutShort = await watch(exited, hasEnded, () => output, bounds);
  if (cutShort !== undefined) await end(child, hasEnded);
  // What the file started may hold its output open after its end.
  await Promise.race([closed, sleep(1000, undefined, { ref: false })]);
  if (child.pid !== undefined) killGroup(child.pid, 'SIGKILL');
  const counts = readCounts(output, cutShort ?? (outcome === 'fine' ? undefined : outcome));
  return { ...counts, output, seconds: (performance.now() - startedMs) / 1000 };
}
