import { createHash } from 'node:crypto';
import { chownSync, lstatSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** A user of this machine. */
export interface User {
  name: string;
  uid: number;
  gid: number;
}

/**
 * The user that Postgres runs as, which refuses to run as root: `postgres` where it exists, else `nobody`.
 * Undefined where we are not root, so that no change of user is needed. Throws when there is neither.
 */
export function serverUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const lines = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const wanted of ['postgres', 'nobody']) {
    const [name, , uid, gid] = lines.find(([name]) => name === wanted) ?? [];
    if (name !== undefined) return { name, uid: Number(uid), gid: Number(gid) };
  }
  throw new Error('Postgres refuses to run as root, and this machine has neither a user "postgres" nor "nobody"');
}

/** Whether this user can walk down to the folder, or to the last part of its path that exists. */
function canReach(user: User, folder: string): boolean {
  const path = resolve(folder);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory()) {
    const bit = stat.uid === user.uid ? 0o100 : stat.gid === user.gid ? 0o010 : 0o001;
    if ((stat.mode & bit) === 0) return false;
  }
  return path === dirname(path) || canReach(user, dirname(path));
}

/** A folder that `user` can use: the wanted one, or one in the system's temporary folder; made for it. */
export function reachableFolder(wanted: string, user: User | undefined): string {
  const path = resolve(wanted);
  if (user === undefined) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  }
  if (canReach(user, path)) {
    mkdirSync(path, { recursive: true });
    if (statSync(path).uid !== user.uid) chownSync(path, user.uid, user.gid);
    return path;
  }
  const moved = join(tmpdir(), `metrics-service-${createHash('sha256').update(path).digest('hex').slice(0, 12)}`);
  mkdirSync(moved, { recursive: true, mode: 0o700 });
  const stat = lstatSync(moved);
  // The name can be foreseen: somebody else's folder of that name is none to put data into.
  if (!stat.isDirectory() || (stat.uid !== user.uid && stat.uid !== 0)) {
    throw new Error(`${moved} is needed for Postgres' data but belongs to somebody else`);
  }
  if (stat.uid !== user.uid) chownSync(moved, user.uid, user.gid);
  return moved;
}
