import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A program of bench/references as a process of its own. */
export interface ReferenceProcess {
  readonly pid: number | undefined;
  readonly port: number;
  end(): Promise<void>;
}

/** Starts a reference that prints the port which it listens on. @throws where it ends before */
export async function startReference(name: string, args: readonly string[]): Promise<ReferenceProcess> {
  const program = new URL(`references/${name}.js`, import.meta.url).pathname;
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  const ended = once(child, 'exit').then(() => running.delete(child));
  const lines = createInterface({ input: child.stdout });
  const port = await Promise.race([
    once(lines, 'line').then(([line]) => Number(line)),
    ended.then(() => Promise.reject(new Error(`The reference ${name} ended at start`))),
  ]);
  return {
    pid: child.pid,
    port,
    end: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
