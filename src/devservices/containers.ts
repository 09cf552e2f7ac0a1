import { createHash } from 'node:crypto';
import type { Engine } from './engine.js';
import { IMAGES } from './images.js';
import { isPortFree } from './ports.js';
import { ensureDatabase, probeNats, probePostgres, probeRedis } from './probes.js';
import type { ManagedServer, ServerKind } from './types.js';
import { poll } from './wait.js';

const STOP_TIMEOUT_MS = 4000;
// The first start may have to download the image.
const START_TIMEOUT_MS = 300_000;
const READY_TIMEOUT_MS = 60_000;

export interface ContainerOptions {
  engine: Engine;
  /** Sets these containers and volumes apart from those of another clone; see `containerScope`. */
  scope: string;
  /** Used again where it is free, so that the address stays the same. */
  port?: number | undefined;
}

/** A name for the containers of one clone, from its folder. */
export function containerScope(folder: string): string {
  return `metrics-service-${createHash('sha256').update(folder).digest('hex').slice(0, 10)}`;
}

function urlOf(kind: ServerKind, host: string, port: number): string {
  switch (kind) {
    case 'nats':
      return `nats://${host}:${port}`;
    case 'postgres':
      return `postgresql://postgres:postgres@${host}:${port}/metrics_db`;
    case 'redis':
      return `redis://${host}:${port}`;
  }
}

async function answers(kind: ServerKind, host: string, port: number): Promise<boolean> {
  const probes = {
    nats: () => probeNats({ host, port }),
    postgres: () => probePostgres(urlOf('postgres', host, port)),
    redis: () => probeRedis({ host, port }),
  };
  return (await probes[kind]()).state === 'fits';
}

/** Removes a container of this name that a killed start left behind; its volume stays. */
async function removeLeftover(engine: Engine, name: string): Promise<void> {
  const docker = engine.client.container.dockerode;
  const found = await docker.listContainers({ all: true, filters: { name: [name] } });
  for (const { Id, Names } of found) {
    // The engine's filter looks for the text anywhere in the name.
    if (!Names.some((one) => one.replace(/^\//, '') === name)) continue;
    const container = docker.getContainer(Id);
    await container.stop({ t: STOP_TIMEOUT_MS / 1000 }).catch(() => undefined); // Has ended already, as well.
    await container.remove({ force: true });
  }
}

/**
 * Starts one server as a container with its data in a named volume and resolves when it answers.
 * Throws when the image cannot be had, or with what the engine says when it does not come up.
 */
export async function startContainer(kind: ServerKind, options: ContainerOptions): Promise<ManagedServer> {
  const { engine, scope } = options;
  const image = IMAGES[kind];
  const name = `${scope}-${kind}`;
  await removeLeftover(engine, name);
  const isLocal = engine.host === 'localhost' || engine.host === '127.0.0.1';
  const host = isLocal ? '127.0.0.1' : engine.host;
  const wanted = isLocal && options.port !== undefined && (await isPortFree(options.port)) ? options.port : 0;

  class Private extends engine.testcontainers.GenericContainer {
    /** Known passwords and none: not to be reached from other machines. */
    protected override async beforeContainerCreated(): Promise<void> {
      if (isLocal) {
        this.hostConfig.PortBindings = { [`${image.port}/tcp`]: [{ HostIp: '127.0.0.1', HostPort: String(wanted) }] };
      }
    }
  }
  const started = await new Private(image.name)
    .withName(name)
    .withExposedPorts(image.port)
    .withEnvironment(image.env)
    .withCommand(image.command)
    .withBindMounts([{ source: name, target: image.data, mode: 'rw' }])
    .withWaitStrategy(engine.testcontainers.Wait.forLogMessage(/ready/i))
    .withStartupTimeout(START_TIMEOUT_MS)
    .start();
  const server = new ContainerServer(kind, engine, started.getId(), host, started.getMappedPort(image.port));
  try {
    await server.ready();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

/** A running container of ours. Stopped, it is removed, and its volume is kept. */
class ContainerServer implements ManagedServer {
  readonly way = 'container';
  readonly url: string;
  readonly pid = undefined;
  #isGone = false;

  constructor(
    readonly kind: ServerKind,
    private readonly engine: Engine,
    private readonly id: string,
    private readonly host: string,
    readonly port: number,
  ) {
    this.url = urlOf(kind, host, port);
  }

  private get container() {
    return this.engine.client.container.getById(this.id);
  }

  /** Resolves when it answers; a log line alone does not tell that (Postgres restarts once after it was made). */
  async ready(): Promise<void> {
    const isReady = await poll(() => answers(this.kind, this.host, this.port), READY_TIMEOUT_MS);
    if (!isReady) throw new Error(`the container of ${this.kind} does not answer within ${READY_TIMEOUT_MS} ms`);
    // The image makes it with the cluster, but keeps to the name that the cluster was made with.
    if (this.kind === 'postgres') await ensureDatabase(this.url);
  }

  signal(signal: NodeJS.Signals): void {
    this.container.kill({ signal }).catch(() => undefined); // Not awaited, by contract; it may have ended.
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.container.kill({ signal });
    await this.container.wait();
  }

  async start(): Promise<void> {
    await this.container.start();
    await this.ready();
  }

  async stop(boundMs = STOP_TIMEOUT_MS): Promise<void> {
    if (this.#isGone) return;
    this.#isGone = true;
    // The engine sends SIGKILL past its bound, in whole seconds.
    await this.container.stop({ t: Math.max(1, Math.floor(boundMs / 1000)) }).catch(() => undefined);
    // Removed by another start already: as good.
    await this.container.remove({ force: true }).catch((error: unknown) => {
      if (!(error instanceof Error && 'statusCode' in error && error.statusCode === 404)) throw error;
    });
  }
}
