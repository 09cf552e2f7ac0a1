// A lock between processes: a file that only one of them can create, with the owner's pid in it.
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_INTERVAL_MS = 50;

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM'; // Somebody else's process, but one that runs.
  }
}

/** Takes the lock, or answers false. Linked from a full file, so that nobody sees a lock without its owner. */
function tryLock(path) {
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, String(process.pid));
  try {
    linkSync(unfinished, path);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(unfinished, { force: true });
  }
}

function ownerOf(path) {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Runs `work` while no other process holds the lock. The lock of a process that is gone is taken over.
 * Throws when it is not free within `boundMs`.
 */
export async function withLock(path, boundMs, work) {
  const deadlineMs = performance.now() + boundMs;
  while (!tryLock(path)) {
    const owner = ownerOf(path);
    if (owner !== undefined && !isRunning(owner) && ownerOf(path) === owner) {
      rmSync(path, { force: true });
      continue;
    }
    if (performance.now() > deadlineMs) throw new Error(`${path} is held by process ${owner} for ${boundMs} ms`);
    await sleep(POLL_INTERVAL_MS);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}
