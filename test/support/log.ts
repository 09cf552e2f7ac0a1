import type { JetStreamManager, NatsConnection } from 'nats';
import { Appender, type AppenderOptions, type AppendRequest } from '../../src/stream/append.js';
import { ConnectionWatch, connectNats } from '../../src/stream/connection.js';
import { ensureStreams, type StreamSettings } from '../../src/stream/streams.js';

export const STREAM_SETTINGS: StreamSettings = {
  retentionDays: 90,
  dedupWindowSeconds: 600,
  replicas: 1,
  maxBytes: 0,
  foreignSubjects: [],
};

/** A connection to a NATS server with everything that the service puts around it. */
export interface TestLog {
  readonly connection: NatsConnection;
  readonly watch: ConnectionWatch;
  readonly manager: JetStreamManager;
  readonly appender: Appender;
  close(): Promise<void>;
}

/** Connects, makes the streams, and opens an appender. */
export async function openLog(
  url: string,
  options: { streams?: Partial<StreamSettings>; appender?: Partial<AppenderOptions> } = {},
): Promise<TestLog> {
  const connection = await connectNats({ servers: [url] }, 'test');
  const watch = new ConnectionWatch(connection);
  const manager = await connection.jetstreamManager({ timeout: 2_000 });
  await ensureStreams(manager, { ...STREAM_SETTINGS, ...options.streams });
  const appender = new Appender(connection, watch, {
    maxInFlight: 1_000,
    maxInFlightBytes: 64 * 1024 * 1024,
    ackTimeoutMs: 2_000,
    ...options.appender,
  });
  return {
    connection,
    watch,
    manager,
    appender,
    close: async () => {
      appender.close();
      await connection.close();
    },
  };
}

/** Appends user events, one an id, and waits for all acknowledgements. */
export async function appendUsers(log: TestLog, ids: readonly string[], eventType = 'user_login'): Promise<void> {
  const payload = Buffer.from(JSON.stringify({ user_id: 1, occurred_at: new Date().toISOString() }));
  const subject = `metrics.events.user.${eventType}`;
  const result = await log.appender.appendAll(ids.map((id) => ({ id, subject, payload })));
  if (result.kind !== 'stored') throw new Error(`not appended: ${result.reason}`);
}

const MAX_SENDS = 20;

/** Appends messages that may take long, and sends what was not acknowledged in time again under its id. */
export async function appendPatiently(log: TestLog, requests: readonly AppendRequest[]): Promise<void> {
  for (let sends = 1; ; sends += 1) {
    const result = await log.appender.appendAll(requests);
    if (result.kind === 'stored') return;
    if (sends === MAX_SENDS) throw new Error(`not appended: ${result.reason}`);
  }
}

/** `prefix-0`, `prefix-1`, … */
export function ids(count: number, prefix = 'e'): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
}
