import { spawn } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LocalServer, type LocalServerSpec } from './local-server.js';
import { ensureDatabase, probePostgres } from './probes.js';
import { isRunning } from './processes.js';
import { type StartOptions, startOnPort } from './start-options.js';
import type { ManagedServer } from './types.js';
import { reachableFolder, serverUser, type User } from './unprivileged.js';

const READY_TIMEOUT_MS = 60_000;
const INITDB_TIMEOUT_MS = 60_000;
const DATABASE = 'metrics_db';

export interface PostgresOptions extends StartOptions {
  /** Server settings, for example `{fsync: 'off'}`. */
  settings?: Readonly<Record<string, string>> | undefined;
  /** Told in one line where the data is put elsewhere. */
  log?: ((line: string) => void) | undefined;
}

const DEFAULT_SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  // Needs libllvm, which the unpacked packages leave out for its size, and only pays for long analytical queries.
  jit: 'off',
  // The one time zone that needs no tz database on the machine.
  timezone: 'GMT',
  log_timezone: 'GMT',
};

/** Runs one of Postgres' programs to its end; answers what it printed. Throws with that when it fails. */
function runProgram(options: PostgresOptions, name: string, args: string[], user: User | undefined): Promise<string> {
  const env = { ...process.env, ...options.programs.env, LC_ALL: 'C' };
  return new Promise((resolve, reject) => {
    const child = spawn(join(options.programs.postgresBin, name), args, {
      env,
      cwd: '/',
      timeout: INITDB_TIMEOUT_MS,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(user ? { uid: user.uid, gid: user.gid } : {}),
    });
    let output = '';
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString();
    });
    child.stderr.on('data', (data: Buffer) => {
      output += data.toString();
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${name} ended with ${code ?? signal}: ${output.trim().slice(-1500)}`));
    });
  });
}

/** The programs' major version, for example "17": data of one cannot be used by another. */
async function majorVersion(options: PostgresOptions, user: User | undefined): Promise<string> {
  const says = await runProgram(options, 'postgres', ['--version'], user);
  const major = /\b(\d+)(?:\.\d+|beta|rc|devel)/.exec(says)?.[1];
  if (major === undefined) throw new Error(`postgres --version answers "${says.trim()}", which names no version`);
  return major;
}

/** Makes the cluster beside its place and renames it, so that a start cut short leaves no half-made one. */
async function createCluster(options: PostgresOptions, cluster: string, user: User | undefined): Promise<void> {
  const unfinished = `${cluster}.unfinished-${process.pid}`;
  const passwordFile = `${cluster}.password-${process.pid}`;
  writeFileSync(passwordFile, 'postgres\n', { mode: 0o644 });
  const args = ['-D', unfinished, '-U', 'postgres', `--pwfile=${passwordFile}`, '-E', 'UTF8', '-A', 'scram-sha-256'];
  if (options.settings?.fsync === 'off') args.push('--no-sync');
  try {
    try {
      await runProgram(options, 'initdb', [...args, '--locale=C.UTF-8'], user);
    } catch {
      // Not every system knows C.UTF-8. What else is wrong comes out of the second try.
      rmSync(unfinished, { recursive: true, force: true });
      await runProgram(options, 'initdb', [...args, '--locale=C'], user);
    }
    renameSync(unfinished, cluster);
  } finally {
    rmSync(passwordFile, { force: true });
    rmSync(unfinished, { recursive: true, force: true });
  }
}

/**
 * Removes postmaster.pid where the process it names is gone or is another program by now; Postgres itself
 * would refuse to start if the number has meanwhile been given to any process of the same user.
 */
function removeStaleLock(cluster: string): void {
  const lockFile = join(cluster, 'postmaster.pid');
  if (!existsSync(lockFile)) return;
  const pid = Number(readFileSync(lockFile, 'utf8').split('\n')[0]);
  if (Number.isInteger(pid) && pid > 0 && isRunning(pid) && isPostgres(pid)) return;
  rmSync(lockFile, { force: true });
}

function isPostgres(pid: number): boolean {
  if (process.platform !== 'linux') return true; // Not to be told: leave the lock, Postgres decides.
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('postgres');
  } catch {
    return false; // Ended between two looks.
  }
}

/** A Postgres server's spec over a cluster that exists; see `startPostgres`. */
function clusterSpec(options: PostgresOptions, cluster: string, user: User | undefined, port: number): LocalServerSpec {
  const settings = { ...DEFAULT_SETTINGS, ...options.settings, port: String(port) };
  const url = `postgresql://postgres:postgres@127.0.0.1:${port}/${DATABASE}`;
  return {
    kind: 'postgres',
    way: options.way ?? 'program',
    port,
    url,
    launch: {
      command: join(options.programs.postgresBin, 'postgres'),
      args: ['-D', cluster, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      env: { ...process.env, ...options.programs.env },
      cwd: cluster,
      logFile: options.logFile ?? `${cluster}.log`,
      ...(user ? { user: { uid: user.uid, gid: user.gid } } : {}),
    },
    stopSignal: 'SIGINT', // Fast shutdown: ends the connections and writes a checkpoint.
    readyTimeoutMs: options.readyTimeoutMs ?? READY_TIMEOUT_MS,
    prepare: () => removeStaleLock(cluster),
    isReady: async () => (await probePostgres(url)).state === 'fits',
    // Workers of a killed server hold its shared memory until they notice.
    isTransient: (log) => /pre-existing shared memory block|lock file "postmaster.pid" already exists/.test(log),
    ...(options.onLaunch ? { onLaunch: options.onLaunch } : {}),
  };
}

/** The cluster's folder and a function that gives the server on a port; makes the cluster where it is missing. */
export async function preparePostgres(options: PostgresOptions): Promise<(port: number) => LocalServerSpec> {
  const user = serverUser();
  const folder = reachableFolder(options.dataDir, user);
  if (folder !== options.dataDir) {
    options.log?.(`Postgres runs as user ${user?.name}, who cannot reach ${options.dataDir}: its data is in ${folder}`);
  }
  const cluster = join(folder, `cluster-${await majorVersion(options, user)}`);
  if (!existsSync(join(cluster, 'PG_VERSION'))) await createCluster(options, cluster, user);
  return (port) => clusterSpec(options, cluster, user, port);
}

/**
 * Starts Postgres on 127.0.0.1 (user and password "postgres", database metrics_db) and resolves when it answers;
 * makes the cluster first where there is none. As root it runs as an unprivileged user. Without a port it takes
 * a free one. Throws with what Postgres printed when it does not come up.
 */
export async function startPostgres(options: PostgresOptions): Promise<ManagedServer> {
  const spec = await preparePostgres(options);
  const server = await startOnPort(options, (port) => new LocalServer(spec(port)));
  await ensureDatabase(server.url);
  return server;
}
