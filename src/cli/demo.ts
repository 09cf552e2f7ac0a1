import { createPublisher } from '../client/index.js';
import { UsageError } from '../config-error.js';
import { DEMO_SIZE, Demo, type DemoSize } from '../demo/play.js';
import { type DevServices, recreateDatabase } from '../devservices/index.js';
import { openRedis, redisAnswered } from '../store/redis.js';
import { Appender } from '../stream/append.js';
import { ConnectionWatch, connectNats } from '../stream/connection.js';
import { deleteAllStreams } from '../stream/delete-streams.js';
import { counted } from './counted.js';
import { demoEnvironment } from './demo-env.js';
import { demoGreeting, demoGuide } from './demo-guide.js';
import { type DevArgs, type DevRun, runDev } from './dev.js';
import { Progress } from './progress.js';

const MAX_DAYS = 30;
const CLOSE_TIMEOUT_MS = 1_000;
const REDIS_TIMEOUT_MS = 5_000;

export interface DemoArgs extends DevArgs {
  /** Whether what the demo has kept is thrown away first. */
  readonly fresh: boolean;
  /** As it was typed. */
  readonly days: string | undefined;
}

/**
 * `metrics demo`, which is what `npm run demo` runs: as `metrics dev`, with servers and data of its own, and the traffic of
 * six services: days of history first, then live.
 *
 * @returns the exit status, as that of `metrics dev`
 * @throws ConfigError where the number of days makes no sense
 */
export async function runDemo({ root, env, fresh, days }: DemoArgs): Promise<number> {
  const size = sizeOf(days);
  return await runDev(
    { root, env: demoEnvironment(env) },
    {
      dataFolder: 'demo',
      prepare: async (services) => (fresh ? await beginAnew(services) : undefined),
      play: (run) => play(run, size),
    },
  );
}

function sizeOf(days: string | undefined): DemoSize {
  const count = Number(days ?? DEMO_SIZE.days);
  if (!Number.isInteger(count) || count < 1 || count > MAX_DAYS) {
    throw new UsageError([{ name: '--days', detail: `must be a whole number from 1 to ${MAX_DAYS}` }]);
  }
  return { ...DEMO_SIZE, days: count };
}

/** Empties servers that hold nothing but an earlier demo. */
async function beginAnew({ env }: DevServices): Promise<void> {
  const connection = await connectNats({ servers: [env.NATS_URL ?? ''] }, 'metrics demo --fresh');
  try {
    await deleteAllStreams(await connection.jetstreamManager());
  } finally {
    await connection.close();
  }
  await recreateDatabase(env.DATABASE_URL ?? '');
  const address = { host: env.REDIS_HOST ?? '', port: Number(env.REDIS_PORT), password: '', db: 0 };
  let trouble: Error | undefined;
  const redis = openRedis(address, REDIS_TIMEOUT_MS, (error) => {
    trouble = error;
  });
  try {
    if (!(await redisAnswered(redis))) throw trouble ?? new Error('Redis does not answer');
    await redis.flushall();
  } finally {
    redis.disconnect();
  }
}

async function play({ config, port, token, signal }: DevRun, size: DemoSize): Promise<void> {
  if (token === undefined) throw new Error('a demo signs its own tokens');
  process.stdout.write(demoGreeting(port, token));
  const connection = await connectNats(config.nats, 'metrics demo');
  const appender = new Appender(connection, new ConnectionWatch(connection));
  const publisher = createPublisher({ service: 'demo', connection, onDropped: tellDropped });
  try {
    const manager = await connection.jetstreamManager();
    const demo = await Demo.open({ connection, manager, appender, publisher, size, now: Date.now, signal });
    await playDemo(demo, signal, { baseUrl: `http://${reachable(config.host)}:${port}`, token, onTrouble: tell });
  } finally {
    await publisher.close(CLOSE_TIMEOUT_MS);
    appender.close();
    await connection.close();
  }
}

/** Where a service answers that listens there. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

/** The last day, then what happens now, and beside that the days before. */
async function playDemo(demo: Demo, signal: AbortSignal, way: Parameters<Demo['playLive']>[1]): Promise<void> {
  tell(
    `${demo.isContinued ? 'Going on, and filling in' : 'Playing'} ${spanOf(demo.missingMinutes)} of six services, the latest first`,
  );
  const progress = new Progress('events');
  let total = 0;
  const onProgress = (events: number, share: number): void => {
    total = events;
    progress.update(events, Math.round(events / share));
  };
  const playEarlier = async (): Promise<void> => {
    await demo.playEarlier(onProgress);
    if (!signal.aborted) progress.finish(total);
  };
  try {
    const untilMs = await demo.playRecent(onProgress);
    if (signal.aborted) return;
    progress.abandon();
    process.stdout.write(demoGuide(demo.past, untilMs));
    await Promise.all([demo.playLive(untilMs, way), playEarlier()]);
  } finally {
    progress.abandon();
  }
}

function spanOf(minutes: number): string {
  const days = Math.round(minutes / 1_440);
  return days >= 1 ? counted(days, 'day') : counted(minutes, 'minute');
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

function tellDropped({ dropped, trouble }: { dropped: object; trouble?: string }): void {
  tell(`events of the demo were dropped: ${JSON.stringify(dropped)} ${trouble ?? ''}`);
}
