import { readdirSync, readFileSync } from 'node:fs';

/** Clock ticks a second that the kernel counts in: fixed for what programs see. */
const TICKS_PER_SECOND = 100;

interface Counted {
  readonly pid: number;
  readonly parent: number;
  readonly ticks: number;
}

function readProcess(pid: number): Counted | undefined {
  try {
    // The name stands in brackets, and may have spaces.
    const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(/\) (?=[A-Z] )/);
    const numbers = fields.split(' ').map(Number);
    // utime, stime, and those of children that have ended.
    const ticks = numbers.slice(11, 15).reduce((sum, each) => sum + each, 0);
    return { pid, parent: numbers[1] ?? 0, ticks };
  } catch {
    return undefined; // It has ended meanwhile.
  }
}

/** Seconds of a core that a process and its children have had; Linux only. */
export function cpuSeconds(pid: number | undefined): number {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)) ?? []);
  const counted = all.filter((each) => each.pid === pid || each.parent === pid);
  return counted.reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_PER_SECOND;
}

/** The most memory that a process alone has held, without its children. */
export function peakBytes(pid: number | undefined): number {
  return statusBytes(pid, 'VmHWM');
}

/** The memory that a process alone holds now. */
export function residentBytes(pid: number | undefined): number {
  return statusBytes(pid, 'VmRSS');
}

function statusBytes(pid: number | undefined, name: string): number {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8')
    .split('\n')
    .find((each) => each.startsWith(`${name}:`));
  const [kilobytes] = /\d+/.exec(line ?? '') ?? [];
  if (kilobytes === undefined) throw new Error(`/proc has no ${name} of ${pid}`);
  return Number(kilobytes) * 1024;
}
