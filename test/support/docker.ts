import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** The project's folder. */
export const ROOT = join(import.meta.dirname, '../../..');

/** A build installs and compiles everything, which a busy machine does slowly. */
const COMMAND_TIMEOUT_MS = 1_200_000;
const MAX_OUTPUT_BYTES = 50_000_000;
/** Between two questions for the containers whose health is not known yet. */
const HEALTH_INTERVAL_MS = 1_000;

/** How a command ended. */
export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function runCommand(program: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  const options = {
    cwd: ROOT,
    env: { ...process.env, ...env },
    timeout: COMMAND_TIMEOUT_MS,
    maxBuffer: MAX_OUTPUT_BYTES,
  };
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(new Error(`${program} ${args.join(' ')}: ${error.message}`));
      else resolve({ status: child.exitCode ?? 1, stdout, stderr });
    });
  });
}

/** What it printed. @throws where it ended with another status than 0 */
async function outputOf(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const { status, stdout, stderr } = await runCommand(program, args, env);
  if (status !== 0)
    throw new Error(`${program} ${args.join(' ')} ended with ${status}:\n${(stdout + stderr).slice(-8000)}`);
  return stdout.trim();
}

/** `docker …`, however it ends. scripts/testing/containers.mjs puts a `docker` into PATH where there is none. */
export function tryDocker(...args: string[]): Promise<Ended> {
  return runCommand('docker', args, {});
}

/** `docker …`: what it printed. @throws where it failed */
export function docker(...args: string[]): Promise<string> {
  return outputOf('docker', args, {});
}

/** `docker inspect` of one thing, by a Go template. */
export function inspect(name: string, template: string): Promise<string> {
  return docker('inspect', '--format', `{{${template}}}`, name);
}

async function isPodman(): Promise<boolean> {
  return (await docker('--version')).startsWith('podman');
}

/** What a container's health check says. Podman leaves it to systemd to ask; here it is asked, so that none is needed. */
export async function healthOf(container: string): Promise<string> {
  if (await isPodman()) await tryDocker('healthcheck', 'run', container);
  return inspect(container, '.State.Health.Status');
}

/** Waits for work that waits for health checks, and meanwhile asks for them where the engine does not. */
async function askingForHealth<T>(project: string, begin: () => Promise<T>): Promise<T> {
  if (!(await isPodman())) return begin();
  const work = begin();
  const ended = new AbortController();
  const end = (): void => ended.abort();
  work.then(end, end);
  const label = `label=com.docker.compose.project=${project}`;
  while (!ended.signal.aborted) {
    // Names alone: a container may be gone when it is asked.
    const { stdout } = await tryDocker('ps', '--filter', label, '--format', '{{.Names}} {{.Status}}');
    const asked = stdout.split('\n').filter((line) => /\((?:starting|unhealthy)\)/.test(line));
    await Promise.all(asked.map((line) => tryDocker('healthcheck', 'run', line.split(' ')[0] ?? '')));
    await sleep(HEALTH_INTERVAL_MS, undefined, { signal: ended.signal }).catch(() => undefined); // It ended.
  }
  return work;
}

/** `docker compose` for one project, with variables as its .env would have them. */
export class ComposeProject {
  private readonly env: Readonly<Record<string, string>>;

  constructor(
    readonly name: string,
    env: Readonly<Record<string, string>>,
  ) {
    this.env = { ...env, COMPOSE_PROJECT_NAME: name };
  }

  /** `docker compose …`: what it printed. @throws where it failed */
  run(...args: string[]): Promise<string> {
    return askingForHealth(this.name, () => outputOf('docker', ['compose', ...args], this.env));
  }

  /** Runs lines as they would be typed in the project's folder. @throws where one fails */
  type(lines: readonly string[]): Promise<string> {
    return askingForHealth(this.name, () => outputOf('sh', ['-e', '-x', '-c', lines.join('\n')], this.env));
  }

  /** Names of what there is of it: containers in any state, networks, volumes. */
  async left(): Promise<{ containers: string[]; networks: string[]; volumes: string[] }> {
    const label = `label=com.docker.compose.project=${this.name}`;
    const list = async (...args: string[]): Promise<string[]> =>
      (await docker(...args, '--filter', label)).split('\n').filter((line) => line !== '');
    return {
      containers: await list('ps', '--all', '--format', '{{.Names}}'),
      networks: await list('network', 'ls', '--format', '{{.Name}}'),
      volumes: await list('volume', 'ls', '--format', '{{.Name}}'),
    };
  }
}
