import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import {
  findPrograms,
  type ManagedServer,
  type Programs,
  processIdentity,
  sendSignal,
  startNats,
  startPostgres,
  startRedis,
  withDatabase,
} from '../../src/devservices/index.js';

const FAST_POSTGRES = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '100' };
const MIN_POLL_INTERVAL_MS = 10;
const MAX_POLL_INTERVAL_MS = 50;

// Whatever ends this process, its servers and folders go with it; scripts/test.mjs looks after what SIGKILL leaves.
const pids = new Set<number>();
const folders = new Set<string>();
process.on('exit', () => {
  for (const pid of pids) sendSignal(pid, 'SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

export function temporaryFolder(purpose: string): string {
  const folder = mkdtempSync(join(process.env.METRICS_TEST_DIR ?? tmpdir(), `metrics-test-${purpose}-`));
  folders.add(folder);
  // As root, Postgres runs as another user, who must be able to walk through.
  chmodSync(folder, 0o711);
  return folder;
}

/** Writes the process down for the runner, which ends it if this process cannot. */
function noteProcess(pid: number): void {
  pids.add(pid);
  const runDir = process.env.METRICS_TEST_DIR;
  if (runDir === undefined) return;
  mkdirSync(join(runDir, 'pids'), { recursive: true });
  writeFileSync(join(runDir, 'pids', String(pid)), processIdentity(pid) ?? '');
}

function isPrograms(value: unknown): value is Programs {
  return typeof value === 'object' && value !== null && 'natsServer' in value && 'postgresBin' in value;
}

let programs: Promise<Programs> | undefined;

/** The servers' programs: those that the runner found, else looked for here. */
export function testPrograms(): Promise<Programs> {
  programs ??= findTestPrograms();
  return programs;
}

async function findTestPrograms(): Promise<Programs> {
  const given = process.env.METRICS_TEST_PROGRAMS;
  if (given === undefined) return (await findPrograms({ root: process.cwd() })).programs;
  const parsed: unknown = JSON.parse(given);
  if (!isPrograms(parsed)) throw new Error('METRICS_TEST_PROGRAMS is no JSON of Programs');
  return parsed;
}

/** A server whose temporary folder goes when it is stopped. */
function removedAtStop(server: ManagedServer, folder: string): ManagedServer {
  return {
    kind: server.kind,
    way: server.way,
    port: server.port,
    url: server.url,
    get pid() {
      return server.pid;
    },
    kill: (signal) => server.kill(signal),
    signal: (signal) => server.signal(signal),
    start: () => server.start(),
    stop: async (boundMs) => {
      await server.stop(boundMs);
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
      folders.delete(folder);
    },
  };
}

/** For a server that does not let the usual question in: how it is asked, and which port it is given. */
export interface ReadyQuestion {
  readonly port?: number;
  readonly isReady?: (port: number) => Promise<boolean>;
}

/** A NATS server with JetStream of this test's own. `config` is text added to nats.conf, `storeBytes` what it may store. */
export async function startTestNats(
  options: { config?: string; storeBytes?: number } & ReadyQuestion = {},
): Promise<ManagedServer> {
  const dataDir = temporaryFolder('nats');
  const { config = '', storeBytes, ...question } = options;
  const whole = storeBytes === undefined ? config : `${config}\n${store(dataDir, storeBytes)}`;
  return await startNatsIn(dataDir, whole, question);
}

/** A second block takes the place of the first. */
function store(dataDir: string, bytes: number): string {
  return `jetstream { store_dir: ${JSON.stringify(join(dataDir, 'jetstream'))}, max_file_store: ${bytes} }`;
}

async function startNatsIn(dataDir: string, config: string, question: ReadyQuestion): Promise<ManagedServer> {
  const server = await startNats({
    programs: await testPrograms(),
    dataDir,
    config,
    onLaunch: noteProcess,
    ...question,
  });
  return removedAtStop(server, dataDir);
}

/** A Redis of this test's own, with an append-only file as in production. `args` are added to its command line. */
export async function startTestRedis(
  options: { args?: readonly string[] } & ReadyQuestion = {},
): Promise<ManagedServer> {
  const dataDir = temporaryFolder('redis');
  const server = await startRedis({ programs: await testPrograms(), dataDir, onLaunch: noteProcess, ...options });
  return removedAtStop(server, dataDir);
}

/** A Postgres cluster of this test's own, for tests that kill it; others take `testDatabase`, which is faster. */
export async function startTestPostgres(options: { settings?: Record<string, string> } = {}): Promise<ManagedServer> {
  const folder = temporaryFolder('postgres');
  const server = await startPostgres({
    programs: await testPrograms(),
    dataDir: join(folder, 'data'),
    settings: { ...FAST_POSTGRES, ...options.settings },
    logFile: join(folder, 'postgres.log'),
    onLaunch: noteProcess,
  });
  return removedAtStop(server, folder);
}

/** The database that devservices makes in each server. */
const TEMPLATE = 'metrics_db';
let sharedUrl: Promise<string> | undefined;

/** Where databases of tests are made: the run's Postgres, or one of the file's own outside of a run. */
function sharedServer(): Promise<string> {
  sharedUrl ??= process.env.METRICS_TEST_POSTGRES_URL
    ? Promise.resolve(process.env.METRICS_TEST_POSTGRES_URL)
    : startTestPostgres().then((server) => server.url);
  return sharedUrl;
}

let sharedPool: pg.Pool | undefined;

/** Statements about databases of the shared server go over one connection, since each costs as much as a small test. */
async function administerShared(statement: string): Promise<void> {
  sharedPool ??= new pg.Pool({
    connectionString: withDatabase(await sharedServer(), 'postgres'),
    max: 1,
    allowExitOnIdle: true,
  }).on('error', () => undefined); // The next statement connects anew, and says what is wrong.
  await sharedPool.query(statement);
}

async function administer(server: ManagedServer | undefined, statement: string): Promise<void> {
  if (server === undefined) return await administerShared(statement);
  const client = new pg.Client({ connectionString: withDatabase(server.url, 'postgres') });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

export interface TestDatabase {
  url: string;
  /** Removes the database, together with connections that are still open. */
  drop(): Promise<void>;
}

/**
 * A fresh database with a random name on `server`, else on the one that all share: a copy of the server's own database,
 * which a run migrates once for all, or an empty one.
 */
export async function testDatabase(
  options: { readonly server?: ManagedServer; readonly empty?: boolean } = {},
): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  const { server, empty = false } = options;
  const serverUrl = server?.url ?? (await sharedServer());
  // Copying files takes half the processor time of what is usual, which writes each page into the log, too.
  await administer(server, `create database ${name} template ${empty ? 'template0' : TEMPLATE} strategy file_copy`);
  return {
    url: withDatabase(serverUrl, name),
    drop: () => administer(server, `drop database if exists ${name} with (force)`),
  };
}

/**
 * Asks `check` until it answers something other than undefined, and answers that: every 10 ms at first, then after a
 * tenth of what has been waited, and at most every 50 ms, so that asking does not take the processor from what is waited
 * for. Throws with `what` when `boundMs` milliseconds have passed. What `check` throws is passed on at once.
 */
export async function waitFor<T>(
  what: string,
  check: () => Promise<T | undefined> | T | undefined,
  boundMs = 30_000,
): Promise<T> {
  const startedMs = performance.now();
  for (let waitedMs = 0; waitedMs < boundMs; waitedMs = performance.now() - startedMs) {
    const found = await check();
    if (found !== undefined) return found;
    const pauseMs = Math.min(Math.max(MIN_POLL_INTERVAL_MS, waitedMs / 10), MAX_POLL_INTERVAL_MS);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  throw new Error(`waited ${boundMs} ms in vain for ${what}`);
}
