import { readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { childPids, isRunning, sendSignal } from './processes.js';
import { poll } from './wait.js';

const STOP_TIMEOUT_MS = 3000;
const KILL_TIMEOUT_MS = 2000;

function link(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // Ended between two looks, or somebody else's.
  }
}

/** Processes of this program that work in this folder. Empty where the system does not tell (other than Linux). */
export function processesIn(folder: string, program: string): number[] {
  if (process.platform !== 'linux') return [];
  const real = realpathSync(program);
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter((pid) => link(`/proc/${pid}/cwd`) === folder && link(`/proc/${pid}/exe`) === real);
}

/**
 * Ends servers that an earlier run started on this folder and that it had no time to write down. Two servers on
 * one folder of data would destroy it.
 */
export async function endOrphans(folder: string, program: string, stopSignal: NodeJS.Signals): Promise<void> {
  const pids = processesIn(folder, program);
  if (pids.length === 0) return;
  const workers = new Set(pids.flatMap(childPids));
  for (const pid of pids) {
    sendSignal(pid, 'SIGCONT');
    if (!workers.has(pid)) sendSignal(pid, stopSignal);
  }
  const haveEnded = (): boolean => pids.every((pid) => !isRunning(pid));
  if (await poll(haveEnded, STOP_TIMEOUT_MS, 10)) return;
  for (const pid of pids) sendSignal(pid, 'SIGKILL');
  if (!(await poll(haveEnded, KILL_TIMEOUT_MS, 10))) {
    throw new Error(`a server of an earlier start (process ${pids[0]}) works in ${folder} and cannot be ended`);
  }
}
