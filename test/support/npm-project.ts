import { existsSync, mkdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { findInstalled, isPortFree, isRunning } from '../../src/devservices/index.js';
import { type NpmCommand, NpmStart } from './npm-start.js';
import { copyProject } from './project-copy.js';
import { waitFor } from './servers.js';

const STOP_BOUND_MS = 15_000;

/** Whether `npm start` finds servers here: programs, or apt-get that fetches them. */
export function canStartServers(): boolean {
  return findInstalled({ root: tmpdir() }).missing.length === 0 || existsSync('/usr/bin/apt-get');
}

const FIRST_PORT = 12_000;
const PORTS = 8_000;

/**
 * A port that is free now and stays so: out of those below the ones that `freePort` gives to servers of other tests. Between
 * choosing it and `npm start`'s listening lie seconds, and once another test had taken it by then.
 */
export async function portForLater(): Promise<number> {
  const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
  return (await isPortFree(port)) ? port : await portForLater();
}

/** A copy of this project in which npm's commands run, one at a time. */
export class NpmProject {
  readonly folder = copyProject();
  env: NodeJS.ProcessEnv = process.env;
  running: NpmStart | undefined;

  /** What this clone has unpacked need not be fetched again. */
  shareServers(): void {
    if (!existsSync('.data/servers')) return;
    mkdirSync(join(this.folder, '.data'));
    symlinkSync(realpathSync('.data/servers'), join(this.folder, '.data', 'servers'));
  }

  run(command?: NpmCommand): NpmStart {
    this.running = new NpmStart(this.folder, this.env, command);
    return this.running;
  }

  /** As `run`, and waits for a line that begins so. */
  async start(untilLine: string, command?: NpmCommand): Promise<NpmStart> {
    const npm = this.run(command);
    await npm.line(untilLine);
    return npm;
  }

  /** Stops as a person does, and checks that nothing is left: neither the service nor the three servers, which are its own. */
  async stop(signal: NodeJS.Signals, to: 'npm' | 'group', boundMs = STOP_BOUND_MS): Promise<void> {
    const npm = this.running;
    if (npm === undefined) throw new Error('nothing runs');
    const { service, servers } = npm.pids();
    assert.is(servers.length, 3, 'all three servers are its own');
    npm.signal(signal, to);
    if (to === 'group') npm.signal(signal, to); // A second Ctrl-C is harmless.
    const all = [service, ...servers];
    await waitFor('the end of all', () => (all.some(isRunning) ? undefined : true), boundMs);
    assert.is(await npm.ended(boundMs), 0, npm.output);
    this.running = undefined;
  }

  /** Ends what a test left, because it failed. */
  async endLeft(): Promise<void> {
    if (this.running !== undefined && !this.running.hasEnded) this.running.signal('SIGTERM', 'group');
    await this.running?.ended(STOP_BOUND_MS);
    this.running = undefined;
  }

  async remove(): Promise<void> {
    await this.endLeft();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
