import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import type { Environment } from '../../src/config.js';
import { KEPT_CODE, MAIN } from './programs.js';

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A command line in a process of its own that may be killed while it works. */
export class CommandProcess {
  readonly #ended: Promise<number | NodeJS.Signals | null>;
  #output = '';
  #hasEnded = false;

  constructor(args: readonly string[], env: Environment) {
    const whole = { PATH: process.env.PATH, ...KEPT_CODE, ...env };
    const child = spawn(process.execPath, [MAIN, ...args], { cwd: tmpdir(), env: whole });
    running.add(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
    }
    this.#ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        running.delete(child);
        this.#hasEnded = true;
        resolve(code ?? signal);
      });
    });
    this.kill = () => {
      child.kill('SIGKILL');
      return this.#ended;
    };
  }

  get output(): string {
    return this.#output;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Kills it, wherever it is. @returns how it ended: its exit code where it had ended before */
  readonly kill: () => Promise<number | NodeJS.Signals | null>;

  /** Its exit code, or the signal that ended it. */
  ended(): Promise<number | NodeJS.Signals | null> {
    return this.#ended;
  }
}
