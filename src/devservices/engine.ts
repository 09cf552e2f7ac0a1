import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ContainerRuntimeClient } from 'testcontainers';

/** A Docker engine that answers. */
export interface Engine {
  client: ContainerRuntimeClient;
  /** Where ports of its containers are reached. */
  host: string;
  testcontainers: typeof import('testcontainers');
}

/** Whether it is worth loading testcontainers (a second of a start that may take four) to ask further. */
function mayHaveEngine(): boolean {
  if (process.env.DOCKER_HOST || process.platform === 'win32') return true;
  const runtimeDir = process.env.XDG_RUNTIME_DIR;
  return [
    '/var/run/docker.sock',
    join(homedir(), '.testcontainers.properties'),
    join(homedir(), '.docker', 'run', 'docker.sock'),
    join(homedir(), '.docker', 'desktop', 'docker.sock'),
    ...(runtimeDir ? [join(runtimeDir, 'docker.sock'), join(runtimeDir, '.docker', 'run', 'docker.sock')] : []),
  ].some((path) => existsSync(path));
}

/** The Docker engine that this user may use, or undefined where none answers. */
export async function findEngine(): Promise<Engine | undefined> {
  if (!mayHaveEngine()) return undefined;
  // A container of its own that removes ours when we die would need one more image, and would race with the next
  // start, which removes what a killed one left behind by its name.
  process.env.TESTCONTAINERS_RYUK_DISABLED ??= 'true';
  try {
    const testcontainers = await import('testcontainers');
    const client = await testcontainers.getContainerRuntimeClient();
    return { client, host: client.info.containerRuntime.host, testcontainers };
  } catch {
    return undefined; // Not installed (production), or no engine answers: the next way is tried.
  }
}
