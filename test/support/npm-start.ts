import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRunning } from '../../src/devservices/index.js';
import { waitFor } from './servers.js';

// A first start may download packages.
const READY_TIMEOUT_MS = 120_000;

/** What npm is called with, and the folder below `.data` in which the servers are that it starts. */
export interface NpmCommand {
  readonly args: readonly string[];
  readonly dataFolder: string;
}

const START: NpmCommand = { args: ['start'], dataFolder: 'dev' };

/** `npm start`, or another command that runs the service, in a folder, with what it printed so far. */
export class NpmStart {
  output = '';
  #ended: number | string | undefined;
  readonly #child: ChildProcess;

  constructor(
    private readonly folder: string,
    env: NodeJS.ProcessEnv,
    private readonly command: NpmCommand = START,
  ) {
    // A group of its own, as a terminal gives to what it runs in the foreground.
    this.#child = spawn('npm', command.args, { cwd: folder, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (data: Buffer) => {
        this.output += data.toString();
      });
    }
    this.#child.once('exit', (code, signal) => {
      this.#ended = code ?? signal ?? 'nothing';
    });
  }

  /** The printed line that begins so. Waits for it; throws with the output when the program ends before. */
  line(beginning: string, boundMs = READY_TIMEOUT_MS): Promise<string> {
    return waitFor(
      `"${beginning}" of npm start, which printed:\n${this.output}`,
      () => {
        const found = this.output.split('\n').find((line) => line.startsWith(beginning));
        if (found === undefined && this.#ended !== undefined) {
          throw new Error(`npm start ended with ${this.#ended} and printed:\n${this.output}`);
        }
        return found;
      },
      boundMs,
    );
  }

  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** The exit status of npm. */
  ended(boundMs: number): Promise<number | string> {
    return waitFor(`the end of npm start, which printed:\n${this.output}`, () => this.#ended, boundMs);
  }

  /** The service's process and the servers'. */
  pids(): { service: number; servers: number[] } {
    const read = (path: string): unknown => JSON.parse(readFileSync(join(this.folder, '.data', path), 'utf8'));
    const pidOf = (value: unknown): number =>
      typeof value === 'object' && value !== null && 'pid' in value ? Number(value.pid) : 0;
    const servers = Object.values(read(`${this.command.dataFolder}/servers.json`) ?? {}).map(pidOf);
    return { service: pidOf(read('dev/lock')), servers: servers.filter((pid) => pid > 0 && isRunning(pid)) };
  }

  /** Sends the signal to npm alone, or as a terminal does to all of its group. */
  signal(signal: NodeJS.Signals, to: 'npm' | 'group'): void {
    const pid = this.#child.pid ?? 0;
    process.kill(to === 'group' ? -pid : pid, signal);
  }
}
