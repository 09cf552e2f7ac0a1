import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '../config.js';
import { loadServersConfig } from '../config.js';
import { GetStatusHandler, type OperationalStatus } from '../queries/get-status.js';
import { openPool } from '../store/postgres.js';
import { openRedis, redisAnswered } from '../store/redis.js';
import { connectNats } from '../stream/connection.js';
import { describeStreams, storedAtMs } from '../stream/describe-streams.js';
import { EVENTS_STREAM } from '../stream/streams.js';

const REDIS_TIMEOUT_MS = 2_000;
const RATE_INTERVAL_MS = 1_000;

/** `metrics status`: streams, projections and their lag. Status 1 where something is down, 3 where nothing answers. */
export async function runStatus(env: Environment, json: boolean): Promise<number> {
  const status = await readStatus(env);
  process.stdout.write(json ? `${JSON.stringify(status, undefined, 2)}\n` : describe(status));
  const { nats, postgres } = status.components;
  if (nats.status === 'down' || postgres.status === 'down') return 3;
  return status.status === 'ok' ? 0 : 1;
}

async function readStatus(env: Environment): Promise<OperationalStatus> {
  const config = loadServersConfig(env);
  const quiet = (): void => undefined;
  const pool = openPool({
    databaseUrl: config.databaseUrl,
    maxConnections: 1,
    applicationName: 'metrics status',
    onError: quiet,
  });
  const redis = openRedis(config.redis, REDIS_TIMEOUT_MS, quiet);
  const connection = await connectNats(config.nats, 'metrics status').catch(() => undefined);
  try {
    const manager = await connection?.jetstreamManager();
    const away = (): never => {
      throw new Error('NATS does not answer');
    };
    await redisAnswered(redis);
    const handler = new GetStatusHandler({
      pool,
      redis,
      logStream: EVENTS_STREAM,
      streams: async () => (manager === undefined ? away() : await describeStreams(manager)),
      storedAtMs: async (sequence) => (manager === undefined ? away() : await storedAtMs(manager, sequence)),
      reported: () => ({}),
      now: Date.now,
    });
    const first = await handler.execute();
    const { nats, postgres } = first.components;
    if (nats.status === 'down' || postgres.status === 'down') return first;
    // How fast something moves is seen by looking twice.
    await sleep(RATE_INTERVAL_MS);
    return await handler.execute();
  } finally {
    redis.disconnect();
    await Promise.allSettled([connection?.close(), pool.end()]);
  }
}

function describe(status: OperationalStatus): string {
  const lines = [`status       ${status.status}`];
  for (const [name, { status: state, latency_ms: latency }] of Object.entries(status.components)) {
    lines.push(`${name.padEnd(12)} ${state}${latency === null ? '' : `  ${latency.toFixed(1)} ms`}`);
  }
  const projections = status.projections.map((projection) => {
    const { name, sequence, lag_events, lag_seconds, events_per_second, epoch, holder } = projection;
    return [name, sequence, lag_events, lag_seconds, events_per_second, epoch, holder];
  });
  const heads = ['PROJECTION', 'SEQUENCE', 'LAG EVENTS', 'LAG SECONDS', 'EVENTS/S', 'EPOCH', 'HOLDER'];
  lines.push('', ...table([heads, ...projections]));
  const streams = status.streams.map(({ name, first_sequence, last_sequence, messages, bytes, oldest_at }) => {
    return [name, first_sequence, last_sequence, messages, bytes, oldest_at];
  });
  lines.push('', ...table([['STREAM', 'FIRST', 'LAST', 'MESSAGES', 'BYTES', 'OLDEST'], ...streams]));
  return `${lines.join('\n')}\n`;
}

/** Rows whose columns are as wide as what stands in them. */
function table(rows: readonly (readonly (string | number | null)[])[]): string[] {
  const texts = rows.map((cells) => cells.map((cell) => String(cell ?? '-')));
  const widthOf = (column: number): number => Math.max(...texts.map((cells) => cells[column]?.length ?? 0));
  return texts.map((cells) =>
    cells
      .map((text, column) => text.padEnd(widthOf(column)))
      .join('  ')
      .trimEnd(),
  );
}
