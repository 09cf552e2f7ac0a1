import type { RunningApp } from '../app.js';
import { type Config, type Environment, loadConfig } from '../config.js';
import {
  AlreadyRunning,
  type DevServices,
  isPortFree,
  NoServers,
  runningStart,
  startDevServices,
  UnusableServer,
} from '../devservices/index.js';
import { forgetDevEnv, writeDevEnv } from './dev-env.js';
import { guide } from './dev-guide.js';
import { openDevLog, SERVICE_LOG } from './dev-log.js';
import { devSecret } from './dev-secret.js';
import { aborted, stopOnSignal } from './stop-signal.js';
import { signTokenFor, TOKEN_DEFAULTS } from './token.js';

// Together below the 10 s within which Ctrl-C ends everything; a server that is killed takes up to 2 s more.
const APP_STOP_TIMEOUT_MS = 4_500;
const SERVERS_STOP_TIMEOUT_MS = 3_000;
const PROGRAM_STOP_TIMEOUT_MS = 1_500;

export interface DevArgs {
  /** The project's folder. */
  root: string;
  env: NodeJS.ProcessEnv;
}

/** The service as it runs for development. */
export interface DevRun {
  readonly config: Config;
  readonly port: number;
  /** Undefined where only somebody else can sign one. */
  readonly token: string | undefined;
  /** Aborted when everything is to end. */
  readonly signal: AbortSignal;
}

/** What goes on with the servers and the service of one run. */
export interface DevProgram {
  /** Below `.data`: what the servers keep, apart from that of other programs. */
  readonly dataFolder: string;
  /** Before the service starts. */
  prepare?(services: DevServices): Promise<void>;
  /** Once the service is ready, until the signal. What it throws ends the run. */
  play(run: DevRun): Promise<void>;
}

const GUIDE_ONLY: DevProgram = {
  dataFolder: 'dev',
  play: async ({ config, port, token, signal }) => {
    process.stdout.write(guide(config, port, token));
    await aborted(signal);
  },
};

/** Nobody can listen on the port that PORT names. */
class PortTaken extends Error {
  constructor(port: number) {
    super(`PORT ${port} is taken by another program (or not ours to use); set PORT to another one`);
  }
}

/**
 * `metrics dev`, which is what `npm start` runs: the three servers and the service, until a signal to stop.
 *
 * @param program what is done with them; it prints how to reach them, and nothing else, unless told
 * @returns the exit status: 0 stopped on demand, 1 failed or runs already, 2 configuration, 3 a server cannot be had
 */
export async function runDev({ root, env }: DevArgs, program: DevProgram = GUIDE_ONLY): Promise<number> {
  const stop = stopOnSignal();
  // The terminal may be gone before we are; that must not keep the servers from being stopped.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  try {
    return await runUntilStopped(root, await withSecret(root, env), program, stop);
  } catch (error) {
    if (stop.aborted) return 0;
    const status = expectedStatus(error);
    if (status === undefined) throw error;
    tell(error instanceof Error ? error.message : String(error));
    return status;
  }
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** The environment with a secret for tokens, where it names no key of its own. */
async function withSecret(root: string, env: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> {
  const named = ['JWT_SECRET', 'JWT_JWKS_URL', 'JWT_PUBLIC_KEY'].some((name) => env[name]?.trim());
  return named ? env : { ...env, JWT_SECRET: devSecret(root) };
}

function expectedStatus(error: unknown): number | undefined {
  if (error instanceof AlreadyRunning) return 1;
  if (error instanceof PortTaken) return 2;
  if (error instanceof UnusableServer || error instanceof NoServers) return 3;
  return undefined;
}

async function runUntilStopped(
  root: string,
  env: Environment,
  program: DevProgram,
  stop: AbortSignal,
): Promise<number> {
  // What is wrong is told before anything is started.
  const { port, host } = loadConfig(env);
  await checkPort(root, port, host);
  const services = await startDevServices({ root, env, log: tell, signal: stop, dataFolder: program.dataFolder });
  let app: RunningApp | undefined;
  try {
    await program.prepare?.(services);
    const config = loadConfig({ ...env, ...services.env });
    // Not loaded earlier: it holds this thread for a second, in which servers that do answer would seem not to.
    const { startApp } = await import('../app.js');
    app = await unlessStopped(startApp(config, openDevLog(root, config.logLevel), stop), stop);
    writeDevEnv(root, { ...services.env, PORT: String(app.port), ...secretOf(config) });
    const token = await signTokenFor(config.jwt, { ...TOKEN_DEFAULTS, sub: 'developer' });
    const ended = await playUntilEnd(program, { config, port: app.port, token, signal: stop }, app);
    tell(ended === 'failed' ? `The service cannot go on; ${SERVICE_LOG} says why. Stopping …` : 'Stopping …');
    return ended === 'failed' ? 1 : 0;
  } catch (error) {
    if (isAddressInUse(error)) throw new PortTaken(port);
    throw error;
  } finally {
    await endAll(root, app, services);
  }
}

/** Ends with the signal, or because the service or the program failed; the program has then been told to end, too. */
async function playUntilEnd(program: DevProgram, run: DevRun, app: RunningApp): Promise<'stopped' | 'failed'> {
  const ending = new AbortController();
  const playing = program.play({ ...run, signal: AbortSignal.any([run.signal, ending.signal]) });
  try {
    const failed = playing.then(() => aborted(run.signal));
    return await Promise.race([aborted(run.signal), app.failed, failed]);
  } finally {
    ending.abort();
    // What it throws from now on is of its being ended, or has been thrown above.
    await withinMs(
      playing.catch(() => undefined),
      PROGRAM_STOP_TIMEOUT_MS,
    );
  }
}

async function checkPort(root: string, port: number, host: string): Promise<void> {
  if (port === 0 || (await isPortFree(port, host))) return;
  const owner = runningStart(root);
  throw owner === undefined ? new PortTaken(port) : new AlreadyRunning(owner);
}

function isAddressInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EADDRINUSE' || error.code === 'EACCES');
}

/** The started service; when the start is called off, it is given its bound to come up and be stopped in order. */
async function unlessStopped(starting: Promise<RunningApp>, stop: AbortSignal): Promise<RunningApp> {
  const first = await Promise.race([starting, aborted(stop)]);
  if (first !== 'stopped') return first;
  const late = await withinMs(starting, APP_STOP_TIMEOUT_MS / 2);
  if (late !== undefined) await withinMs(late.stop(), APP_STOP_TIMEOUT_MS / 2);
  throw new Error('the start was called off');
}

async function withinMs<T>(work: Promise<T>, boundMs: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), boundMs);
  });
  try {
    return await Promise.race([work, bound]);
  } finally {
    clearTimeout(timer);
  }
}

/** First the service, which still needs the servers to put away what it has in hand. */
async function endAll(root: string, app: RunningApp | undefined, services: DevServices): Promise<void> {
  forgetDevEnv(root);
  try {
    if (app) await withinMs(app.stop(), APP_STOP_TIMEOUT_MS);
  } finally {
    await services.stop(SERVERS_STOP_TIMEOUT_MS);
  }
}

function secretOf({ jwt }: Config): { JWT_SECRET?: string } {
  return jwt.key.from === 'secret' ? { JWT_SECRET: jwt.key.secret } : {};
}
