import type { JetStreamManager } from 'nats';
import { freePort, type ManagedServer } from '../../src/devservices/index.js';
import { startTestNats } from './servers.js';

const NODES = 3;
const MAX_START_ATTEMPTS = 3;

/** Three NATS servers with JetStream that know each other. A node that was killed comes back with `start`. */
export interface NatsCluster {
  readonly nodes: readonly ManagedServer[];
  /** A comma list, as NATS_URL takes it. */
  readonly url: string;
  /** The node that leads a stream; undefined while there is none. @throws where JetStream does not answer */
  leaderOf(manager: JetStreamManager, stream: string): Promise<ManagedServer | undefined>;
  stop(): Promise<void>;
}

/**
 * Starts three servers on free ports. They answer, but JetStream may still be electing its leader, as after a power cut.
 */
export async function startNatsCluster(): Promise<NatsCluster> {
  for (let attempt = 1; ; attempt += 1) {
    const started: ManagedServer[] = [];
    try {
      const routes = await freePorts(NODES);
      await Promise.all(
        routes.map(async (_port, index) => {
          started[index] = await startTestNats({ config: nodeConfig(index, routes) });
        }),
      );
      return cluster(started);
    } catch (error) {
      await Promise.all(started.map((node) => node?.stop()));
      // Between the look and the start somebody may take the port of a route.
      if (attempt === MAX_START_ATTEMPTS) throw error;
    }
  }
}

async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

function nodeConfig(index: number, routes: readonly number[]): string {
  const urls = routes.map((port) => `nats-route://127.0.0.1:${port}`);
  return [
    `server_name: ${nameOf(index)}`,
    `cluster { name: metrics, listen: "127.0.0.1:${routes[index]}", routes: ${JSON.stringify(urls)} }`,
  ].join('\n');
}

function nameOf(index: number): string {
  return `node-${index}`;
}

function cluster(nodes: readonly ManagedServer[]): NatsCluster {
  return {
    nodes,
    url: nodes.map(({ url }) => url).join(','),
    leaderOf: async (manager, stream) => {
      const leader = (await manager.streams.info(stream)).cluster?.leader;
      return nodes.find((_node, index) => nameOf(index) === leader);
    },
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}
