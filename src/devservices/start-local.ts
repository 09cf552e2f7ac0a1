import { mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { LocalServer, type LocalServerSpec } from './local-server.js';
import { natsSpec } from './nats.js';
import { endOrphans } from './orphans.js';
import { isPortFree } from './ports.js';
import { preparePostgres } from './postgres.js';
import { ensureDatabase } from './probes.js';
import { processIdentity } from './processes.js';
import { redisSpec } from './redis.js';
import { startOnPort } from './start-options.js';
import type { ServerState } from './state.js';
import type { Log, ManagedServer, Programs, ServerKind } from './types.js';
import { poll } from './wait.js';

const ADOPT_TIMEOUT_MS = 4000;

export interface StartLocalOptions {
  kind: ServerKind;
  way: 'program' | 'apt';
  programs: Programs;
  /** Holds one folder of data a server. */
  folder: string;
  logFolder: string;
  state: ServerState;
  log: Log;
  /** Given each server before it starts, so that it can be ended whatever happens. */
  track(server: ManagedServer): void;
}

type SpecOnPort = (port: number) => LocalServerSpec;

/** What is to be run, for any port; makes the data folder where it is missing. */
async function specFor(options: StartLocalOptions): Promise<SpecOnPort> {
  const { kind, way, programs, log } = options;
  const wanted = join(options.folder, kind);
  mkdirSync(wanted, { recursive: true });
  const shared = { programs, way, dataDir: realpathSync(wanted), logFile: join(options.logFolder, `${kind}.log`) };
  switch (kind) {
    case 'nats':
      return (port) => natsSpec(shared, port);
    case 'redis':
      return (port) => redisSpec(shared, port);
    case 'postgres':
      return preparePostgres({ ...shared, log });
  }
}

/** Takes over the server that an earlier start left running, or ends it where it is of no use. */
async function adopt(options: StartLocalOptions, spec: SpecOnPort): Promise<ManagedServer | undefined> {
  const { kind, state, log } = options;
  const record = state.get(kind);
  if (record?.pid === undefined || processIdentity(record.pid) !== record.identity) return undefined;
  const found = spec(record.port);
  const server: LocalServer = new LocalServer({ ...found, onLaunch: (pid) => note(state, server, pid) }, record.pid);
  options.track(server);
  const fits = record.way === found.way && (await poll(() => found.isReady(), ADOPT_TIMEOUT_MS));
  if (fits) {
    log(`${kind}: going on with process ${record.pid}, which an earlier start left running on port ${record.port}`);
    return server;
  }
  log(`${kind}: ending process ${record.pid}, which an earlier start left running`);
  await server.stop();
  return undefined;
}

function note(state: ServerState, { kind, way, port }: ManagedServer, pid: number): void {
  const identity = processIdentity(pid);
  state.set(kind, { way, port, pid, ...(identity === undefined ? {} : { identity }) });
}

async function startFresh(options: StartLocalOptions, spec: SpecOnPort): Promise<ManagedServer> {
  const { kind, way, state, log } = options;
  const { launch, stopSignal } = spec(0);
  await endOrphans(launch.cwd, launch.command, stopSignal);
  const remembered = state.get(kind)?.port;
  const port = remembered !== undefined && (await isPortFree(remembered)) ? remembered : undefined;
  const server = await startOnPort({ port, programs: options.programs, dataDir: launch.cwd }, (chosen) => {
    const attempt: LocalServer = new LocalServer({ ...spec(chosen), onLaunch: (pid) => note(state, attempt, pid) });
    options.track(attempt);
    return attempt;
  });
  log(`${kind}: started on port ${server.port}${way === 'apt' ? ' (from unpacked packages)' : ''}`);
  return server;
}

/**
 * One server from programs on this machine, with its data below `folder` and on the port of the last start where
 * that is free. A server that an earlier start left running is taken over, or ended where it does not answer.
 * Throws with the end of the server's log when it does not come up.
 */
export async function startLocal(options: StartLocalOptions): Promise<ManagedServer> {
  const spec = await specFor(options);
  const server = (await adopt(options, spec)) ?? (await startFresh(options, spec));
  if (options.kind !== 'postgres') return server;
  try {
    await ensureDatabase(server.url);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}
