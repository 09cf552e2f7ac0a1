import { type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { dirname } from 'node:path';

const MAX_LOG_BYTES = 10 * 1024 * 1024;
const MAX_TAIL_CHARACTERS = 1500;

/** What is to be run as a server. */
export interface Launch {
  command: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
  /** Takes the program's output; emptied first when it has grown past 10 MiB. */
  logFile: string;
  /** The user to run as, where it is not ours. */
  user?: { uid: number; gid: number } | undefined;
}

/**
 * Starts a program in a process group of its own, so that a Ctrl-C in the terminal does not end it before
 * the service has stopped. It does not keep this process alive. Throws when it cannot be started.
 */
export async function launch(what: Launch): Promise<number> {
  mkdirSync(dirname(what.logFile), { recursive: true });
  const logSize = statSync(what.logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (logSize > MAX_LOG_BYTES) truncateSync(what.logFile);
  const output = openSync(what.logFile, 'a');
  try {
    const options: SpawnOptions = { cwd: what.cwd, env: what.env, detached: true, stdio: ['ignore', output, output] };
    const child = spawn(what.command, what.args, what.user ? { ...options, ...what.user } : options);
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) => reject(new Error(`${what.command} cannot be run: ${error.message}`)));
    });
    child.unref();
    if (child.pid === undefined) throw new Error(`${what.command} has no process id`);
    return child.pid;
  } finally {
    closeSync(output);
  }
}

/** The last lines of a log file, for an error message. */
export function logTail(logFile: string): string {
  try {
    return readFileSync(logFile, 'utf8').slice(-MAX_TAIL_CHARACTERS).trim();
  } catch (error) {
    return `(no log: ${error instanceof Error ? error.message : String(error)})`;
  }
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // The process ended between two looks, which is an answer and not an error.
  }
}

/** Fields of /proc/<pid>/stat from the state on; the program's name before it may hold spaces and brackets. */
function procStat(pid: number): string[] | undefined {
  const stat = readOptional(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/**
 * What tells this process from a later one with the same pid: the boot and the time it started at.
 * Undefined when no such process runs; one that has ended and waits for its parent does not run.
 */
export function processIdentity(pid: number): string | undefined {
  if (process.platform === 'linux') {
    const stat = procStat(pid);
    if (stat === undefined || stat[0] === 'Z' || stat[0] === 'X') return undefined;
    return `${readOptional('/proc/sys/kernel/random/boot_id')?.trim() ?? ''}:${stat[19] ?? ''}`;
  }
  const found = spawnSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], { encoding: 'utf8' });
  const [state = 'Z', ...started] = (found.stdout ?? '').trim().split(/\s+/);
  return found.status !== 0 || state.startsWith('Z') ? undefined : started.join(' ');
}

/** Whether this process runs. */
export function isRunning(pid: number): boolean {
  return processIdentity(pid) !== undefined;
}

/** Direct children of a process. */
export function childPids(pid: number): number[] {
  if (process.platform === 'linux') {
    const all = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
    return all.filter((candidate) => procStat(candidate)?.[1] === String(pid));
  }
  const found = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' });
  return (found.stdout ?? '').split('\n').filter(Boolean).map(Number);
}

/** Sends a signal; a process that has already ended is no error. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
