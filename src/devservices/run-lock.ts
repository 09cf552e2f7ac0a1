import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { processIdentity } from './processes.js';

const MAX_ATTEMPTS = 5;

/** Another process of this clone has the private servers in its hands. */
export class AlreadyRunning extends Error {
  constructor(readonly pid: number) {
    super(`npm start or npm run demo already runs in this folder (process ${pid}); end it first`);
  }
}

interface Owner {
  pid: number;
  identity: string;
}

function isOwner(value: unknown): value is Owner {
  return (
    typeof value === 'object' &&
    value !== null &&
    'pid' in value &&
    typeof value.pid === 'number' &&
    'identity' in value &&
    typeof value.identity === 'string'
  );
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function parseOwner(text: string): Owner | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isOwner(value) ? value : undefined;
  } catch {
    return undefined; // Cut off by a full disk or a crash of the machine: nobody's.
  }
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** The process that holds the lock, or undefined where nobody does or its owner is gone. */
export function lockOwner(path: string): number | undefined {
  const owner = parseOwner(readText(path) ?? '');
  return owner !== undefined && processIdentity(owner.pid) === owner.identity ? owner.pid : undefined;
}

/** Moves a dead owner's lock away; if a new owner came between the look and the move, gives it back. */
function clearStale(path: string, seen: string): void {
  const aside = `${path}.stale-${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return; // Somebody else cleared it.
    throw error;
  }
  if (readText(aside) !== seen) tryLink(aside, path);
  rmSync(aside, { force: true });
}

/**
 * Takes the lock at `path` for this process and answers the function that gives it back. The lock of a process
 * that is gone is taken over. Throws AlreadyRunning while its owner runs.
 */
export function takeRunLock(path: string): () => void {
  mkdirSync(dirname(path), { recursive: true });
  const mine = `${path}.${process.pid}`;
  const owner: Owner = { pid: process.pid, identity: processIdentity(process.pid) ?? '' };
  // Linked from a full file, so that nobody ever sees a lock without its owner.
  writeFileSync(mine, JSON.stringify(owner));
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (tryLink(mine, path)) return () => rmSync(path, { force: true });
      const text = readText(path);
      if (text === undefined) continue;
      const other = lockOwner(path);
      if (other !== undefined) throw new AlreadyRunning(other);
      clearStale(path, text);
    }
  } finally {
    rmSync(mine, { force: true });
  }
  throw new Error(`${path} changes hands too fast; is npm start being run many times at once?`);
}
