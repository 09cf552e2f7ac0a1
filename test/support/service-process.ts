import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { tmpdir } from 'node:os';
import type { Environment } from '../../src/config.js';
import { freePort } from '../../src/devservices/index.js';
import { KEPT_CODE, MAIN, programPath } from './programs.js';
import { waitFor } from './servers.js';
import { TestClient } from './service.js';

const PROJECTIONS = programPath('test/support/run-projections.js');
const READY_TIMEOUT_MS = 30_000;
/** Those of scripts/run-node.mjs and of the Dockerfile. */
const NODE_FLAGS = ['--enable-source-maps', '--max-semi-space-size=16'];

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** The service as a process of its own, which can be killed and started again on the same port. */
export class ServiceProcess {
  #child: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly env: Environment,
    private readonly program: readonly string[],
  ) {}

  /** @param program what is run, with its arguments */
  static async create(env: Environment, program: readonly string[] = [MAIN, 'serve']): Promise<ServiceProcess> {
    return new ServiceProcess(await freePort(), env, program);
  }

  /**
   * What the service's role `projector` does, in a process of its own and without an HTTP face, since half of the
   * processor time that a start takes is that face's. So nobody can wait until it is `ready`.
   */
  static projector(env: Environment): Promise<ServiceProcess> {
    return ServiceProcess.create({ ...env, ROLE: 'projector' }, [PROJECTIONS]);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  client(): Promise<TestClient> {
    return TestClient.of(this.port);
  }

  /** Starts the process without waiting for it to answer. */
  spawn(): void {
    // Not in the project's folder: a .env there is the developer's own.
    const child = spawn(process.execPath, [...NODE_FLAGS, ...this.program], {
      cwd: tmpdir(),
      env: { PATH: process.env.PATH, ...KEPT_CODE, ...this.env, PORT: String(this.port) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const logFile = process.env.METRICS_TEST_SERVICE_LOG;
    if (logFile === undefined) child.stdout?.resume();
    else child.stdout?.pipe(createWriteStream(logFile, { flags: 'a' }));
    running.add(child);
    child.once('exit', () => running.delete(child));
    this.#child = child;
  }

  async start(): Promise<void> {
    this.spawn();
    await this.ready();
  }

  /** Waits until the process answers. @throws where it ends before */
  async ready(): Promise<void> {
    await waitFor('the service', () => this.#answers(), READY_TIMEOUT_MS);
  }

  async #answers(): Promise<true | undefined> {
    if (this.#child?.exitCode !== null || this.#child.signalCode !== null)
      throw new Error('The service ended at start');
    try {
      return (await fetch(`http://127.0.0.1:${this.port}/health`)).ok ? true : undefined;
    } catch {
      return undefined; // Nobody listens yet.
    }
  }

  /** Ends the process and answers how it ended: its exit code, or the signal. */
  async end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = new Promise<number | NodeJS.Signals | null>((resolve) => {
      child.once('exit', (code, by) => resolve(code ?? by));
    });
    child.kill(signal);
    return await ended;
  }
}
