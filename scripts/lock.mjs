// A lock between processes: a file that only one of them can create, with its owner in it.
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
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

/** The pid and, where the system tells it, the start time: the number alone may be another process' by now. */
function describe(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return String(pid);
  }
}

/** Whether the owner that a lock names still runs. */
function isAlive(owner) {
  const pid = Number(owner.split(' ')[0]);
  return isRunning(pid) && describe(pid) === owner;
}

function tryLink(from, to) {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Takes the lock, or answers false. Linked from a full file, so that nobody sees a lock without its owner. */
function tryLock(path) {
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, describe(process.pid));
  try {
    return tryLink(unfinished, path);
  } finally {
    rmSync(unfinished, { force: true });
  }
}

function ownerOf(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Moves a dead owner's lock away; if a new owner came between the look and the move, gives it back. */
function clearStale(path, seen) {
  const aside = `${path}.stale-${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return; // Somebody else cleared it.
    throw error;
  }
  if (ownerOf(aside) !== seen) tryLink(aside, path);
  rmSync(aside, { force: true });
}

/**
 * Runs `work` while no other process holds the lock. The lock of a process that is gone is taken over.
 * Throws when it is not free within `boundMs`.
 */
export async function withLock(path, boundMs, work) {
  const deadlineMs = performance.now() + boundMs;
  while (!tryLock(path)) {
    const owner = ownerOf(path);
    if (owner !== undefined && !isAlive(owner)) {
      clearStale(path, owner);
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
