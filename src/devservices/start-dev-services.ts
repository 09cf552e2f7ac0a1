import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { containerScope, startContainer } from './containers.js';
import { type Engine, findEngine } from './engine.js';
import { type Existing, findExisting } from './existing.js';
import { addUnpacked, type FoundPrograms, findInstalled, hasUnpacked, missingServersMessage } from './find-programs.js';
import { lockOwner, takeRunLock } from './run-lock.js';
import { startLocal } from './start-local.js';
import { ServerState } from './state.js';
import { type Log, type ManagedServer, SERVER_KINDS, type ServerKind } from './types.js';

const STOP_TIMEOUT_MS = 4000;
const DEFAULT_DATA_FOLDER = 'dev';

export interface DevServicesOptions {
  /** The project's folder; everything is kept below `<root>/.data`. */
  root: string;
  env: NodeJS.ProcessEnv;
  log: Log;
  /** Below `<root>/.data`: what the servers that are started here keep. Two that differ never see each other's data. */
  dataFolder?: string | undefined;
  /** Ends downloads and what has been started, when it aborts before everything runs. */
  signal?: AbortSignal | undefined;
  /** Where servers of others are looked for; the usual ports where it is not given. */
  defaultPorts?: Readonly<Record<ServerKind, number>> | undefined;
}

export interface DevServices {
  /** What the service needs in its environment to use the servers. */
  env: Record<string, string>;
  /** The servers that were started here or taken over from an earlier start; those of others are not among them. */
  started: readonly ManagedServer[];
  /** Ends what was started, within 6 s: gracefully, and with SIGKILL after `boundMs`. Twice is harmless. */
  stop(boundMs?: number): Promise<void>;
}

/** No way was found to run a server. */
export class NoServers extends Error {}

function lockPath(root: string): string {
  return join(root, '.data', DEFAULT_DATA_FOLDER, 'lock');
}

/** The process that has started servers in this folder and runs now, or undefined: one at a time, whatever their data. */
export function runningStart(root: string): number | undefined {
  return lockOwner(lockPath(root));
}

/**
 * Finds or starts NATS, Postgres and Redis: what the environment names or what answers on the default ports, programs
 * on this machine, containers, packages unpacked without root.
 *
 * @throws AlreadyRunning while another start of this folder runs
 * @throws UnusableServer when the environment names a server that cannot be used
 * @throws NoServers with the ways to go on
 */
export async function startDevServices(options: DevServicesOptions): Promise<DevServices> {
  const release = takeRunLock(lockPath(options.root));
  const servers: ManagedServer[] = [];
  // What ends this process by surprise ends the servers too; what ends it by force is put right by the next start.
  const onExit = (): void => {
    for (const server of servers) server.signal(server.kind === 'postgres' ? 'SIGINT' : 'SIGTERM');
  };
  process.on('exit', onExit);
  // A start that is called off need not wait until a server answers that nobody wants.
  const onAbort = (): void => void endAll(servers, STOP_TIMEOUT_MS).catch(() => undefined);
  options.signal?.addEventListener('abort', onAbort, { once: true });
  let stopping: Promise<void> | undefined;
  const stop = (boundMs = STOP_TIMEOUT_MS): Promise<void> => {
    stopping ??= endAll(servers, boundMs).finally(() => {
      process.off('exit', onExit);
      release();
    });
    return stopping;
  };
  try {
    const existing = await findAllExisting(options);
    const missing = SERVER_KINDS.filter((kind) => !existing.some((one) => one.kind === kind));
    if (missing.length > 0) await startMissing(missing, options, servers);
    options.signal?.throwIfAborted();
    return { env: serviceEnv(existing, servers), started: servers, stop };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
  }
}

async function endAll(servers: readonly ManagedServer[], boundMs: number): Promise<void> {
  const results = await Promise.allSettled(servers.map((server) => server.stop(boundMs)));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

async function findAllExisting({ env, log, defaultPorts }: DevServicesOptions): Promise<Existing[]> {
  const found = await Promise.all(SERVER_KINDS.map((kind) => findExisting(kind, env, log, defaultPorts)));
  const existing = found.filter((one) => one !== undefined);
  for (const { kind, way, address } of existing) {
    log(`${kind}: using ${address} (${way === 'environment' ? 'from the environment' : 'found running'})`);
  }
  return existing;
}

/** Starts all at once; when one fails, or the start is called off, the others are in `servers` to be ended. */
async function startMissing(
  missing: readonly ServerKind[],
  { root, env, log, signal, dataFolder = DEFAULT_DATA_FOLDER }: DevServicesOptions,
  servers: ManagedServer[],
): Promise<void> {
  const folder = join(root, '.data', dataFolder);
  const state = new ServerState(join(folder, 'servers.json'));
  const found = findInstalled({ root, env, kinds: missing, onlyPath: env.METRICS_SERVERS_FROM_PATH_ONLY === '1' });
  const inContainers = await startContainers(found, { root, folder: dataFolder, state, log }, servers);
  found.missing = found.missing.filter((kind) => !inContainers.includes(kind));
  await addUnpacked(found, { root, env, log, signal });
  signal?.throwIfAborted();
  if (found.missing.length > 0) throw new NoServers(missingServersMessage(found.missing, found.aptTrouble));

  const logFolder = join(root, '.data', 'logs');
  const results = await Promise.allSettled(
    missing.map(async (kind) => {
      const way = found.ways[kind];
      if (way === undefined) return; // In a container by now.
      const track = (one: ManagedServer): number => servers.push(one);
      await startLocal({ kind, way, programs: found.programs, folder, logFolder, state, log, track });
    }),
  );
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

/**
 * Starts as containers what has no program here, where a Docker engine answers. Servers whose packages an earlier
 * start unpacked are left to these: changing the way would leave their data behind. Answers the kinds that run.
 */
async function startContainers(
  found: FoundPrograms,
  { root, folder, state, log }: { root: string; folder: string; state: ServerState; log: Log },
  servers: ManagedServer[],
): Promise<ServerKind[]> {
  const wanted = found.missing.filter((kind) => !(state.get(kind)?.way === 'apt' && hasUnpacked(kind, root)));
  const engine = wanted.length > 0 ? await findEngine() : undefined;
  if (engine === undefined) return [];
  const place = realpathSync(root);
  const scope = containerScope(folder === DEFAULT_DATA_FOLDER ? place : join(place, folder));
  const started = await Promise.all(wanted.map((kind) => tryContainer(kind, engine, scope, state, log)));
  const running = started.filter((server) => server !== undefined);
  servers.push(...running);
  return running.map((server) => server.kind);
}

async function tryContainer(
  kind: ServerKind,
  engine: Engine,
  scope: string,
  state: ServerState,
  log: Log,
): Promise<ManagedServer | undefined> {
  try {
    log(`${kind}: starting a container (the first time its image is downloaded)`);
    const server = await startContainer(kind, { engine, scope, port: state.get(kind)?.port });
    state.set(kind, { way: 'container', port: server.port });
    log(`${kind}: started in a container on port ${server.port}`);
    return server;
  } catch (error) {
    log(`${kind}: no container (${error instanceof Error ? error.message : String(error)}); trying packages`);
    return undefined;
  }
}

function serviceEnv(existing: readonly Existing[], servers: readonly ManagedServer[]): Record<string, string> {
  const env: Record<string, string> = {};
  for (const one of existing) Object.assign(env, one.env);
  for (const { kind, url } of servers) {
    // Ours speak no TLS and know no users; what is meant for others would keep the service from them.
    if (kind === 'nats') Object.assign(env, { NATS_URL: url, NATS_TLS_CA: '', NATS_TLS_CERT: '', NATS_TLS_KEY: '' });
    if (kind === 'postgres') env.DATABASE_URL = url;
    if (kind === 'redis') {
      const { hostname, port } = new URL(url);
      Object.assign(env, { REDIS_HOST: hostname, REDIS_PORT: port, REDIS_USERNAME: '', REDIS_PASSWORD: '' });
      Object.assign(env, { REDIS_TLS: '', REDIS_TLS_CA: '', REDIS_TLS_CERT: '', REDIS_TLS_KEY: '' });
    }
  }
  return env;
}
