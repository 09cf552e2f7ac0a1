import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { type DestinationStream, pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import type { LogEvent } from '../../src/events/kinds.js';
import { SessionLengthsWorker } from '../../src/projections/session-lengths.js';
import { migrate } from '../../src/store/migrate.js';
import { openPool } from '../../src/store/postgres.js';
import { openRedis } from '../../src/store/redis.js';
import {
  parseSessionLengths,
  readSessionLengths,
  SESSION_LENGTHS_KEY,
  type SessionLengthsView,
} from '../../src/store/session-lengths.js';
import { foldEvents } from '../support/fold-events.js';
import { startTestRedis, type TestDatabase, testDatabase, waitFor } from '../support/servers.js';

interface Bench {
  readonly database: TestDatabase;
  readonly pool: Pool;
  readonly server: ManagedServer;
  readonly redis: Redis;
  readonly workers: SessionLengthsWorker[];
}

const NOON = Date.parse('2026-11-24T12:00:00Z');
const MINUTE_MS = 60_000;
const INTERVAL_SECONDS = 300;

let opened: Bench | undefined;
function bench(): Bench {
  if (opened === undefined) throw new Error('not opened');
  return opened;
}

const test = suite('lengths of sessions');
test.before(async () => {
  const [server, database] = await Promise.all([startTestRedis(), testDatabase()]);
  await migrate(database.url);
  const onError = (): void => undefined;
  opened = {
    server,
    database,
    pool: openPool({ databaseUrl: database.url, maxConnections: 6, applicationName: 'test', onError }),
    redis: openRedis({ host: '127.0.0.1', port: server.port, password: '', db: 0 }, 2_000, onError),
    workers: [],
  };
});
test.before.each(async () => {
  const { pool, redis } = bench();
  await waitFor('Redis', () => redis.status === 'ready' || undefined);
  await redis.flushall();
  await pool.query('truncate user_events, projection_checkpoints, summary_outbox, known_series');
});
test.after.each(async () => {
  await Promise.all(bench().workers.map((worker) => worker.stop()));
});
test.after(async () => {
  const { redis, pool, server, database } = bench();
  redis.disconnect();
  await pool.end();
  await Promise.all([server.stop(), database.drop()]);
});

function startWorker(now: () => number, log: DestinationStream = { write: () => undefined }): SessionLengthsWorker {
  const { pool, redis, workers } = bench();
  const logger = pino({ level: 'warn' }, log);
  const worker = new SessionLengthsWorker({ pool, redis, intervalSeconds: INTERVAL_SECONDS, logger, now });
  workers.push(worker);
  worker.start();
  return worker;
}

async function viewOf(): Promise<SessionLengthsView | undefined> {
  return parseSessionLengths(await bench().redis.get(SESSION_LENGTHS_KEY));
}

/** Events at minutes after noon, each of a user (null: nobody) and with metadata. */
async function store(...events: [minute: number, user: number | null, metadata?: Record<string, unknown>][]) {
  await foldEvents(
    bench().pool,
    events.map(
      ([minute, user, metadata], index): LogEvent => ({
        kind: 'user',
        body: {
          event_type: 'user_login',
          ...(user === null ? {} : { user_id: user }),
          ...(metadata === undefined ? {} : { metadata }),
        },
        id: `s${index}`,
        occurredAtMs: NOON + minute * MINUTE_MS,
        timeFromLog: false,
        sequence: index + 1,
      }),
    ),
  );
}

type Stored = Parameters<typeof store>;
const TABLE: readonly [what: string, events: Stored, sessions: number, averageMinutes: number | null][] = [
  ['no event at all', [], 0, null],
  ['one event', [[0, 1]], 1, 0],
  [
    'a gap of exactly 30 minutes',
    [
      [0, 1],
      [30, 1],
    ],
    1,
    30,
  ],
  [
    'a longer gap',
    [
      [0, 1],
      [10, 1],
      [40.001, 1],
    ],
    2,
    5,
  ],
  [
    'two users at the same time',
    [
      [0, 1],
      [5, 2],
      [10, 1],
      [25, 2],
    ],
    2,
    15,
  ],
  [
    'one session_id over a long gap',
    [
      [0, 1, { session_id: 'a' }],
      [50, 1, { session_id: 'a' }],
    ],
    1,
    50,
  ],
  [
    'a session_id that begins before the login',
    [
      [0, null, { session_id: 'a' }],
      [4, 1, { session_id: 'a' }],
    ],
    1,
    4,
  ],
  [
    'a number as session_id',
    [
      [0, 1, { session_id: 7 }],
      [8, 1, { session_id: 7 }],
    ],
    1,
    8,
  ],
  [
    'an empty session_id, or one that is no text',
    [
      [0, 1, { session_id: '' }],
      [6, 1, { session_id: null }],
    ],
    1,
    6,
  ],
  [
    'events of nobody',
    [
      [0, null],
      [10, null],
    ],
    0,
    null,
  ],
  [
    'events with and without session_id',
    [
      [0, 1, { session_id: 'a' }],
      [2, 1],
      [12, 1],
      [20, 1, { session_id: 'a' }],
    ],
    2,
    15,
  ],
];
for (const [what, events, sessions, averageMinutes] of TABLE) {
  test(`${what}: ${sessions} sessions of ${averageMinutes} minutes`, async () => {
    if (events.length > 0) await store(...events);
    const found = await readSessionLengths(bench().pool, NOON, NOON + 60 * MINUTE_MS);
    assert.equal(found, { sessions, averageSeconds: averageMinutes === null ? null : averageMinutes * 60 });
  });
}

test('they are computed at the start, kept for an interval, and computed again after it', async () => {
  let nowMs = NOON;
  await store([0, 1], [10, 1]);
  startWorker(() => nowMs);
  const first = await waitFor('a view', viewOf);
  assert.equal(first.windows['24h'], { sessions: 1, averageSeconds: 600 });
  assert.is(first.computedAtMs, NOON);
  // A second process finds that there is nothing to do.
  nowMs += INTERVAL_SECONDS * 1000 - 1;
  let looks = 0;
  startWorker(() => {
    looks += 1;
    return nowMs;
  });
  // It asks for the time at each look; at the second one the first has come to its end.
  await waitFor('two looks', () => (looks >= 2 ? true : undefined));
  assert.is((await viewOf())?.computedAtMs, NOON);
  nowMs += 1;
  await waitFor('a new view', async () => ((await viewOf())?.computedAtMs === nowMs ? true : undefined));
});

test('an emptied Redis is filled again', async () => {
  startWorker(() => NOON);
  await waitFor('a view', viewOf);
  await bench().redis.flushall();
  await waitFor('a view again', viewOf);
});

test('Redis that was away gets them when it is back', async () => {
  await bench().server.kill();
  const warnings: string[] = [];
  startWorker(() => NOON, { write: (line) => warnings.push(line) });
  await waitFor('the worker to notice', () => warnings[0]);
  await bench().server.start();
  await waitFor('a view', () => viewOf().catch(() => undefined), 15_000);
});

test('stopping cancels a count that takes long', async () => {
  const { pool } = bench();
  const client = await pool.connect();
  await client.query('begin');
  await client.query('lock table user_events in access exclusive mode');
  const worker = startWorker(() => NOON);
  await waitFor('the count to wait', async () => {
    const { rows } = await pool.query(
      `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return rows.length > 0 || undefined;
  });
  const startMs = performance.now();
  await worker.stop();
  assert.ok(performance.now() - startMs < 2_000);
  await client.query('rollback');
  client.release();
});

test.run();
