import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { ServerKind } from './types.js';

/** Where servers' programs are found although PATH does not name the folder: PATH of plain users lacks sbin. */
const PLACES = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/usr/bin', '/opt/homebrew/bin'];
/** Folders of which each has one version of Postgres: `<folder>/<version>/bin`. */
const POSTGRES_PLACES = [
  '/usr/lib/postgresql',
  '/usr/local/pgsql',
  '/opt/homebrew/opt',
  '/Applications/Postgres.app/Contents/Versions',
];

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false; // Not there, or not ours to run: the same answer.
  }
}

/** Folders `<place>/<something with a version>/bin`, highest version first. */
export function versionedBins(place: string): string[] {
  let names: string[];
  try {
    names = readdirSync(place);
  } catch {
    return []; // No such place on this machine.
  }
  const version = (name: string): number => Number(/(\d+(?:\.\d+)?)/.exec(name)?.[1] ?? 0);
  const isPostgres = (name: string): boolean => /^(postgresql@?)?\d*(\.\d+)?$|^latest$/.test(name);
  return names
    .filter(isPostgres)
    .sort((a, b) => version(b) - version(a))
    .map((name) => join(place, name, 'bin'));
}

function findIn(folders: string[], ...programs: string[]): string | undefined {
  for (const program of programs) {
    const folder = folders.find((candidate) => isProgram(join(candidate, program)));
    if (folder !== undefined) return join(folder, program);
  }
  return undefined;
}

/** The folder with both of Postgres' programs. */
export function findPostgresBin(folders: string[]): string | undefined {
  return folders.find((folder) => isProgram(join(folder, 'postgres')) && isProgram(join(folder, 'initdb')));
}

/**
 * The program of one server (for Postgres the folder of its programs) on PATH or in the usual places.
 * `onlyPath`: leave the usual places out.
 */
export function findProgram(kind: ServerKind, path: string, onlyPath = false): string | undefined {
  const onPath = path.split(delimiter).filter((folder) => folder !== '');
  const folders = onlyPath ? onPath : [...onPath, ...PLACES];
  switch (kind) {
    case 'nats':
      return findIn(folders, 'nats-server');
    case 'redis':
      return findIn(folders, 'redis-server', 'valkey-server');
    case 'postgres':
      return findPostgresBin([...folders, ...(onlyPath ? [] : POSTGRES_PLACES.flatMap(versionedBins))]);
  }
}
