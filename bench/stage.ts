import type { Pool } from 'pg';
import type { LogEvent } from '../src/events/kinds.js';
import { testPool } from '../test/support/database.js';
import { openLog } from '../test/support/log.js';
import { appendEvents } from '../test/support/rebuild-stage.js';
import { startTestServers, type TestServers } from '../test/support/service.js';
import { ServiceProcess } from '../test/support/service-process.js';
import { BenchClient } from './http-client.js';
import { untilReady } from './ready.js';

const EVENTS_PER_APPEND = 10_000;
const MAX_IN_FLIGHT = 4_000;
const ACK_TIMEOUT_MS = 30_000;

/** Servers, and the service as one process (ROLE=all) before them. */
export interface Stage {
  readonly servers: TestServers;
  readonly service: ServiceProcess;
  readonly pool: Pool;
  /** Appends events to the log, and waits until they are in the tables, the summaries and the rollups. */
  fill(count: number, make: (firstSequence: number, count: number) => readonly LogEvent[]): Promise<void>;
  close(): Promise<void>;
}

export async function openStage(): Promise<Stage> {
  const servers = await startTestServers();
  const service = await ServiceProcess.create(servers.env);
  const pool = testPool(servers.database.url, 2);
  await service.start();
  let filled = 0;
  return {
    servers,
    service,
    pool,
    fill: async (count, make) => {
      const log = await openLog(servers.nats.url, {
        appender: { maxInFlight: MAX_IN_FLIGHT, ackTimeoutMs: ACK_TIMEOUT_MS },
      });
      for (const end = filled + count; filled < end; ) {
        const events = make(filled + 1, Math.min(EVENTS_PER_APPEND, end - filled));
        await appendEvents(log, events);
        filled += events.length;
      }
      await log.close();
      const client = await BenchClient.of(service.port, 2);
      await untilReady(client, pool);
      client.close();
    },
    close: async () => {
      await pool.end();
      await service.end('SIGTERM');
      await servers.stop();
    },
  };
}
