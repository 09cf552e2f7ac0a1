// Projector and summary worker in a process of its own, which dies or stops at a point of their path:
// `node run-dying.js <nats url> <database url> <redis port> <holder> <point> <occurrence> [SIGKILL | SIGSTOP]`.
// It prints `at the point` before, and the states of the two whenever they change.
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { Partitions } from '../../src/store/partitions.js';
import { Appender } from '../../src/stream/append.js';
import { ConnectionWatch, connectNats, type NatsConnection } from '../../src/stream/connection.js';
import { testPool } from './database.js';
import type { DyingPoint } from './dying-points.js';
import { newProjector, newSummaryWorker, redisOnPort } from './projection.js';

const [natsUrl = '', databaseUrl = '', redisPort = '', holder = '', point = '', occurrence = '1', signal] =
  process.argv.slice(2);
let left = Number(occurrence);

/** Dies like a machine that loses its power, or stops like one that is paused, at the asked for occurrence of the asked for point. */
function passing(at: DyingPoint): void {
  if (at !== point) return;
  left -= 1;
  if (left !== 0) return;
  console.log('at the point');
  process.kill(process.pid, signal === 'SIGSTOP' ? 'SIGSTOP' : 'SIGKILL');
}

/** Around the statement that ends a batch's transaction: that of the one that moves the checkpoint of the tables. */
function watchCommits(pool: Pool): void {
  pool.on('connect', (client) => {
    let movesCheckpoint = false;
    const query = client.query.bind(client);
    const watched = async (text: unknown, values?: unknown): Promise<unknown> => {
      const sql = typeof text === 'string' ? text : '';
      if (sql.startsWith('begin')) movesCheckpoint = false;
      if (sql.startsWith('update projection_checkpoints') && Array.isArray(values) && values[3] === 'tables') {
        movesCheckpoint = true;
      }
      if (sql === 'commit' && movesCheckpoint) passing('before_commit');
      const result: unknown = await Reflect.apply(query, client, values === undefined ? [text] : [text, values]);
      if (sql === 'commit' && movesCheckpoint) passing('after_commit');
      return result;
    };
    // A COPY is a stream, and what the pool asks by itself has a callback: neither is part of what is watched.
    const dispatch = (...args: unknown[]): unknown => {
      const [text, values] = args;
      const isPlain = typeof text === 'string' && !args.some((arg) => typeof arg === 'function');
      return isPlain ? watched(text, values) : Reflect.apply(query, client, args);
    };
    Object.defineProperty(client, 'query', { value: dispatch });
  });
}

/** Before the acknowledgement of a batch goes out to JetStream. */
function watchAcks(connection: NatsConnection): void {
  const publish = connection.publish.bind(connection);
  connection.publish = (subject, payload, options) => {
    if (subject.startsWith('$JS.ACK.')) passing('before_ack');
    publish(subject, payload, options);
  };
}

/** Around the script that adds a delta to the summaries. */
function watchDeltas(redis: Redis): void {
  const apply = redis.applySummaryDelta.bind(redis);
  redis.applySummaryDelta = async (...args: Parameters<typeof apply>) => {
    passing('before_redis');
    const reached = await apply(...args);
    passing('after_redis');
    return reached;
  };
}

const connection = await connectNats({ servers: [natsUrl] }, holder);
const watch = new ConnectionWatch(connection);
const manager = await connection.jetstreamManager({ timeout: 2_000 });
const appender = new Appender(connection, watch);
watchAcks(connection);
const pool = testPool(databaseUrl);
watchCommits(pool);
const redis = redisOnPort(Number(redisPort));
const log = { connection, watch, manager, appender, close: () => connection.close() };
const store = { url: databaseUrl, pool, partitions: new Partitions(pool), close: () => pool.end() };
const summaries = newSummaryWorker(store, redis, holder);
watchDeltas(redis);
summaries.start();
const projector = newProjector(log, store, { holder, onCommit: () => summaries.wake() });
projector.start();
console.log('started');

const STATES_MS = 50;
let printed = '';
const describe = ({ kind, reason }: { readonly kind: string; readonly reason?: string }): string =>
  reason === undefined ? kind : `${kind} (${reason})`;
setInterval(() => {
  const states = `tables ${describe(projector.state)}, summaries ${describe(summaries.state)}`;
  if (states !== printed) console.log(states);
  printed = states;
}, STATES_MS);
