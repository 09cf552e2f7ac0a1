import { childPids, isRunning, type Launch, launch, logTail, processIdentity, sendSignal } from './processes.js';
import type { ManagedServer, ServerKind, Way } from './types.js';
import { poll, sleep } from './wait.js';

const STOP_TIMEOUT_MS = 6000;
const KILL_TIMEOUT_MS = 2000;
const RELAUNCH_PAUSE_MS = 100;

/** Everything that is to be known to run one server on this machine. */
export interface LocalServerSpec {
  kind: ServerKind;
  way: Way;
  port: number;
  url: string;
  launch: Launch;
  stopSignal: NodeJS.Signals;
  readyTimeoutMs: number;
  /** Whether it answers as it should. */
  isReady(): Promise<boolean>;
  /** Whether an end right after the launch, with this at the end of its log, is worth another try. */
  isTransient?(log: string): boolean;
  /** Put right what an unclean stop left behind. */
  prepare?(): void;
  /** Called with each new process, before it answers. */
  onLaunch?(pid: number): void;
}

/** A server process of our own. Started again, it has a new pid and the same port and data. */
export class LocalServer implements ManagedServer {
  readonly kind: ServerKind;
  readonly way: Way;
  readonly port: number;
  readonly url: string;
  #pid: number | undefined;
  #identity: string | undefined;

  /** `adoptedPid`: a process that an earlier run of ours started from the same spec. */
  constructor(
    private readonly spec: LocalServerSpec,
    adoptedPid?: number,
  ) {
    this.kind = spec.kind;
    this.way = spec.way;
    this.port = spec.port;
    this.url = spec.url;
    if (adoptedPid !== undefined) this.#remember(adoptedPid);
  }

  get pid(): number | undefined {
    return this.#isRunning() ? this.#pid : undefined;
  }

  async start(): Promise<void> {
    if (this.#isRunning()) return;
    const deadlineMs = performance.now() + this.spec.readyTimeoutMs;
    while (!(await this.#launchOnce(deadlineMs))) {
      const log = logTail(this.spec.launch.logFile);
      if (!this.spec.isTransient?.(log) || performance.now() > deadlineMs) throw this.#failure('ended at start', log);
      await sleep(RELAUNCH_PAUSE_MS);
    }
  }

  signal(signal: NodeJS.Signals): void {
    for (const pid of this.#tree()) sendSignal(pid, signal);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    // Postgres' workers outlive a killed parent until they notice; a crash takes them all.
    const pids = signal === 'SIGKILL' ? this.#tree() : this.#tree().slice(0, 1);
    for (const pid of pids) sendSignal(pid, signal);
    await this.#ended(pids, signal === 'SIGKILL' ? KILL_TIMEOUT_MS : STOP_TIMEOUT_MS, `did not end on ${signal}`);
  }

  async stop(boundMs = STOP_TIMEOUT_MS): Promise<void> {
    const pids = this.#tree();
    const [main] = pids;
    if (main === undefined) return;
    this.signal('SIGCONT'); // A stopped process would not see the signal to end.
    sendSignal(main, this.spec.stopSignal);
    if (await poll(() => !isRunning(main), boundMs, 10)) return;
    await this.kill('SIGKILL');
  }

  /** True once it answers, false when it ended before. */
  async #launchOnce(deadlineMs: number): Promise<boolean> {
    this.spec.prepare?.();
    const pid = await launch(this.spec.launch);
    this.#remember(pid);
    this.spec.onLaunch?.(pid);
    const boundMs = Math.max(0, deadlineMs - performance.now());
    const state = await poll(async () => {
      if (!isRunning(pid)) return 'ended';
      return (await this.spec.isReady()) && isRunning(pid) ? 'ready' : undefined;
    }, boundMs);
    if (state !== undefined) return state === 'ready';
    await this.kill('SIGKILL');
    throw this.#failure(`did not answer within ${this.spec.readyTimeoutMs} ms`, logTail(this.spec.launch.logFile));
  }

  #remember(pid: number): void {
    this.#pid = pid;
    this.#identity = processIdentity(pid);
  }

  /** The same process and no later one that was given its number. */
  #isRunning(): boolean {
    return this.#pid !== undefined && this.#identity !== undefined && processIdentity(this.#pid) === this.#identity;
  }

  #tree(): number[] {
    return this.#pid !== undefined && this.#isRunning() ? [this.#pid, ...childPids(this.#pid)] : [];
  }

  async #ended(pids: number[], boundMs: number, complaint: string): Promise<void> {
    const done = await poll(() => pids.every((pid) => !isRunning(pid)), boundMs, 10);
    if (!done) throw this.#failure(`${complaint} within ${boundMs} ms`, logTail(this.spec.launch.logFile));
  }

  #failure(what: string, log: string): Error {
    return new Error(`${this.kind} on port ${this.port} ${what}; the end of ${this.spec.launch.logFile}:\n${log}`);
  }
}
