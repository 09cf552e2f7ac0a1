import { join } from 'node:path';
import { AptUnavailable, isUnpacked, type Unpacked, unpackServers } from './apt.js';
import { findProgram } from './programs.js';
import { type Log, type Programs, SERVER_KINDS, type ServerKind } from './types.js';

export interface FindOptions {
  /** The project's folder; packages are unpacked below `<root>/.data/servers`. */
  root: string;
  /** Where PATH is read from; process.env where it is not given. */
  env?: NodeJS.ProcessEnv | undefined;
  log?: Log | undefined;
  kinds?: readonly ServerKind[] | undefined;
  /** Look at PATH alone and not in the usual places; `npm start` does so where METRICS_SERVERS_FROM_PATH_ONLY is 1. */
  onlyPath?: boolean | undefined;
  /** Ends a download. */
  signal?: AbortSignal | undefined;
}

export interface FoundPrograms {
  /** An empty string for what was not found or not asked for. */
  programs: Programs;
  ways: Partial<Record<ServerKind, 'program' | 'apt'>>;
  missing: ServerKind[];
  /** Why the packages could not be had, where that was tried. */
  aptTrouble: string | undefined;
}

/** Programs on this machine only; downloads nothing. */
export function findInstalled(options: FindOptions): FoundPrograms {
  const path = (options.env ?? process.env).PATH ?? '';
  const found: FoundPrograms = {
    programs: { natsServer: '', postgresBin: '', redisServer: '', env: {} },
    ways: {},
    missing: [],
    aptTrouble: undefined,
  };
  for (const kind of options.kinds ?? SERVER_KINDS) {
    const program = findProgram(kind, path, options.onlyPath);
    if (program === undefined) found.missing.push(kind);
    else note(found, kind, 'program', program);
  }
  return found;
}

function note(found: FoundPrograms, kind: ServerKind, way: 'program' | 'apt', program: string): void {
  const field = { nats: 'natsServer', postgres: 'postgresBin', redis: 'redisServer' } as const;
  found.programs[field[kind]] = program;
  found.ways[kind] = way;
}

function unpackFolder(root: string): string {
  return join(root, '.data', 'servers');
}

/** Whether an earlier start unpacked this server's packages. */
export function hasUnpacked(kind: ServerKind, root: string): boolean {
  return isUnpacked(kind, unpackFolder(root));
}

/** Adds what is still missing from the distribution's packages; what cannot be had stays in `missing`. */
export async function addUnpacked(found: FoundPrograms, options: FindOptions): Promise<void> {
  if (found.missing.length === 0) return;
  const log = options.log ?? (() => undefined);
  let unpacked: Map<ServerKind, Unpacked>;
  try {
    unpacked = await unpackServers(found.missing, unpackFolder(options.root), log, options.signal);
  } catch (error) {
    if (!(error instanceof AptUnavailable)) throw error;
    found.aptTrouble = error.message;
    return;
  }
  const libraryPath = [...unpacked.values()].flatMap((one) => one.libraryPath);
  const inherited = process.env.LD_LIBRARY_PATH;
  if (inherited) libraryPath.push(inherited);
  if (libraryPath.length > 0) found.programs.env = { LD_LIBRARY_PATH: libraryPath.join(':') };
  for (const [kind, one] of unpacked) note(found, kind, 'apt', one.program);
  found.missing = found.missing.filter((kind) => !unpacked.has(kind));
}

/** One message with the ways to go on, for servers that could be had in none. */
export function missingServersMessage(missing: readonly ServerKind[], aptTrouble: string | undefined): string {
  return [
    `No way was found to run ${missing.join(', ')} on this machine. Any of these helps:`,
    '  1. install the programs: nats-server, redis-server (or valkey-server), postgresql;',
    '  2. start a Docker engine that this user may use;',
    '  3. name servers that run elsewhere: NATS_URL, DATABASE_URL, REDIS_HOST and REDIS_PORT.',
    ...(aptTrouble ? [`(Packages from the distribution were tried: ${aptTrouble})`] : []),
  ].join('\n');
}

/**
 * The servers' programs: on PATH and in the usual places, else from the distribution's packages.
 * Throws with the ways to go on when one cannot be had.
 */
export async function findPrograms(options: FindOptions): Promise<FoundPrograms> {
  const found = findInstalled(options);
  await addUnpacked(found, options);
  if (found.missing.length > 0) throw new Error(missingServersMessage(found.missing, found.aptTrouble));
  return found;
}
