import { connect, type JetStreamManager } from 'nats';
import { signToken, TOKEN_DEFAULTS } from '../src/cli/token.js';
import type { ManagedServer } from '../src/devservices/index.js';
import { EVENTS_STREAM } from '../src/stream/streams.js';
import { startTestNats } from '../test/support/servers.js';
import { startTestServers, TEST_SECRET } from '../test/support/service.js';
import { ServiceProcess } from '../test/support/service-process.js';
import { untilAnswering } from './ready.js';

/** The stream METRICS of one side. */
export interface CountedLog {
  readonly nats: ManagedServer;
  /** Does something that appends. @throws where the log has not exactly as many events more as it says */
  counted<T>(work: () => Promise<T>, acknowledged: (result: T) => number): Promise<T>;
  close(): Promise<void>;
}

/** The service, and a NATS server for each side, so that neither reads or deduplicates what the other has appended. */
export interface IngestStage {
  readonly service: ServiceProcess;
  readonly ours: CountedLog;
  readonly reference: CountedLog;
  /** Of requests, with a token. */
  readonly headers: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

export async function openIngestStage(role: 'api' | 'all'): Promise<IngestStage> {
  const servers = await startTestServers({ env: { ROLE: role } });
  const service = await ServiceProcess.create(servers.env);
  await service.start();
  if (role === 'all') await untilAnswering(service.port);
  const twin = await startTestNats();
  await copyStream(servers.nats, twin);
  const [ours, reference] = await Promise.all([servers.nats, twin].map(openLogOf));
  if (ours === undefined || reference === undefined) throw new Error('There are two logs');
  const token = await signToken(TEST_SECRET, TOKEN_DEFAULTS);
  return {
    service,
    ours,
    reference,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    close: async () => {
      await Promise.all([ours.close(), reference.close()]);
      await service.end('SIGTERM');
      await Promise.all([servers.stop(), twin.stop()]);
    },
  };
}

/** The reference's stream has the settings of the service's. */
async function copyStream(from: ManagedServer, to: ManagedServer): Promise<void> {
  const [source, target] = await Promise.all([from, to].map(({ url }) => connect({ servers: url })));
  if (source === undefined || target === undefined) throw new Error('There are two servers');
  const { config } = await (await source.jetstreamManager()).streams.info(EVENTS_STREAM);
  await (await target.jetstreamManager()).streams.add(config);
  await Promise.all([source.close(), target.close()]);
}

async function openLogOf(nats: ManagedServer): Promise<CountedLog> {
  const connection = await connect({ servers: nats.url });
  const manager = await connection.jetstreamManager();
  return {
    nats,
    counted: async (work, acknowledged) => {
      const before = await countOf(manager);
      const result = await work();
      const added = (await countOf(manager)) - before;
      const expected = acknowledged(result);
      if (added !== expected) throw new Error(`${expected} events were acknowledged, and the log has ${added} more`);
      return result;
    },
    close: () => connection.close(),
  };
}

async function countOf(manager: JetStreamManager): Promise<number> {
  return (await manager.streams.info(EVENTS_STREAM)).state.messages;
}
