// Ends what a test file left running, however it ended, and removes its folder.
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const END_TIMEOUT_MS = 5000;
const POLL_INTERVAL_MS = 20;

function readOptional(path, encoding = 'utf8') {
  try {
    return readFileSync(path, encoding);
  } catch {
    return undefined; // Ended between two looks, or not written down.
  }
}

function names(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return []; // Nothing was written down, or the system has no such folder.
  }
}

/** Processes that test/support wrote down, as far as they are still the same ones. */
function notedPids(dir, { processIdentity }) {
  const pids = join(dir, 'pids');
  return names(pids)
    .filter((pid) => readOptional(join(pids, pid)) === processIdentity(Number(pid)))
    .map(Number);
}

/** Linux tells what each process was started with: all that come from this run have its folder in their environment. */
function markedPids(dir) {
  const mark = `METRICS_TEST_DIR=${dir}`;
  return names('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => readOptional(`/proc/${pid}/environ`)?.split('\0').includes(mark))
    .map(Number);
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/**
 * Ends all processes of one test file and removes its folder.
 * @param {string} dir the file's METRICS_TEST_DIR
 * @param {{processIdentity: (pid: number) => string | undefined}} processes
 * @returns {Promise<number>} how many had been left running
 */
export async function clearAway(dir, processes) {
  const ended = new Set();
  const deadlineMs = performance.now() + END_TIMEOUT_MS;
  for (;;) {
    const pids = [...new Set([...notedPids(dir, processes), ...markedPids(dir)])].filter(
      (pid) => processes.processIdentity(pid) !== undefined,
    );
    if (pids.length === 0 || performance.now() > deadlineMs) break;
    for (const pid of pids) {
      ended.add(pid);
      kill(pid);
    }
    await sleep(POLL_INTERVAL_MS);
  }
  rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  return ended.size;
}
