import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { OperationalStatus } from '../../src/queries/get-status.js';
import type { Summary } from '../../src/queries/summary.js';
import { SeededRandom } from '../support/random.js';
import { waitFor } from '../support/servers.js';
import { assertInvariant, openStage, type Stage } from './stage.js';
import { assertEqualsRecount, recountSummary } from './summary-recount.js';
import { EventMaker, sendBothWays } from './traffic.js';

const test = suite('Redis is lost, emptied, old, or refuses');

const FULL = process.env.METRICS_FAULTS === 'full';
const KILLS = FULL ? 20 : 2;
const FLUSHES = FULL ? 20 : 2;
const EVENTS_PER_ROUND = FULL ? 1_000 : 400;
const NOTICE_TIMEOUT_MS = 30_000;
/** Until other clients hear BUSY instead of waiting. */
const BUSY_AFTER_MS = 50;

let stage: Stage;
let redis: Redis;
let random: SeededRandom;
let maker: EventMaker;

test.before(async () => {
  random = SeededRandom.announced('lost state');
  maker = new EventMaker(random, 'l');
  stage = await openStage();
  redis = connectRedis();
  await sendBothWays(stage, maker.make(EVENTS_PER_ROUND));
  await assertInvariant(stage);
});

test.after(async () => {
  redis?.disconnect();
  await stage?.close();
});

function connectRedis(): Redis {
  const connected = new Redis(stage.servers.redis.port, '127.0.0.1', { maxRetriesPerRequest: null });
  // It is killed here; that is told by what the service does then.
  connected.on('error', () => undefined);
  return connected;
}

async function summary(): Promise<Summary> {
  const answer = await stage.client.get('/metrics/summary?window=24h');
  assert.is(answer.status, 200, answer.text);
  return answer.json() as Summary;
}

/** Sends a round's events over both ways while `strike` happens in the middle of it. */
async function roundWith(strike: () => Promise<unknown>): Promise<void> {
  const sending = sendBothWays(stage, maker.make(EVENTS_PER_ROUND));
  await sleep(random.integer(0, 100));
  await strike();
  await sending;
}

test(`fault 12: Redis is killed ${KILLS} times under load: the summary equals the recount`, async () => {
  const { redis: server } = stage.servers;
  for (let kill = 0; kill < KILLS; kill += 1) {
    await roundWith(async () => {
      await server.kill();
      await server.start();
    });
  }
  const { rows } = await assertInvariant(stage);
  console.log(`fault 12: Redis killed ${KILLS} times; ${rows} rows`);
});

test(`fault 12: Redis is emptied ${FLUSHES} times under load, and once while nothing arrives`, async () => {
  for (let round = 0; round < FLUSHES; round += 1) await roundWith(() => redis.flushall());
  await assertInvariant(stage);
  await redis.flushall();
  await waitFor(
    'a summary from Redis',
    async () => ((await summary()).source === 'redis' ? true : undefined),
    NOTICE_TIMEOUT_MS,
  );
  await assertInvariant(stage);
  console.log(`fault 12: Redis emptied ${FLUSHES + 1} times`);
});

test('fault 12: an older copy of Redis comes back', async () => {
  const keys = await redis.keys('*');
  const copy = await Promise.all(keys.map(async (key) => [key, await redis.dumpBuffer(key)] as const));
  await roundWith(async () => undefined);
  await assertInvariant(stage);
  const restore = redis.multi().flushall();
  for (const [key, value] of copy) if (value !== null) restore.restore(key, 0, value);
  await restore.exec();
  await assertInvariant(stage);
  await roundWith(async () => undefined);
  await assertInvariant(stage);
  console.log(`fault 12: a copy of ${keys.length} keys came back`);
});

interface Trouble {
  readonly what: string;
  begin(): Promise<unknown>;
  end(): Promise<unknown>;
}

/** A script that never ends by itself; its own client is answered when it is killed. */
function hang(): void {
  const hanging = connectRedis();
  hanging.eval('while true do end', 0).then(
    () => hanging.disconnect(),
    () => hanging.disconnect(),
  );
}

/** Ends the script. What a client that hears BUSY may still call is this. */
async function killScript(): Promise<void> {
  await redis.call('SCRIPT', 'KILL');
}

const TROUBLES: readonly Trouble[] = [
  { what: 'away', begin: () => stage.servers.redis.kill(), end: () => stage.servers.redis.start() },
  {
    what: 'busy with a script (BUSY)',
    begin: async () => {
      await redis.config('SET', 'lua-time-limit', String(BUSY_AFTER_MS));
      hang();
    },
    end: killScript,
  },
  {
    what: 'out of memory (OOM)',
    begin: () => redis.config('SET', 'maxmemory', '1'),
    end: () => redis.config('SET', 'maxmemory', '0'),
  },
  {
    what: 'a replica that takes no writes (READONLY)',
    begin: () => redis.replicaof('127.0.0.1', 1),
    end: () => redis.replicaof('NO', 'ONE'),
  },
];

for (const { what, begin, end } of TROUBLES) {
  test(`fault 13: Redis is ${what}: answers come from Postgres and say so, posts are taken`, async () => {
    await begin();
    const sent = maker.make(EVENTS_PER_ROUND);
    await sendBothWays(stage, sent);
    const fromPostgres = await waitFor(
      'a summary from Postgres with all that was sent',
      async () => {
        const said = await summary();
        const counted = (await recountSummary(stage.pool)).requests;
        const { rows } = await stage.ledger.audit(stage.pool);
        return said.source === 'postgres' && rows === maker.made && said.api.requests === counted ? said : undefined;
      },
      NOTICE_TIMEOUT_MS,
    );
    assert.is(fromPostgres.degraded, true);
    assertEqualsRecount(fromPostgres, await recountSummary(stage.pool));
    const health = await stage.client.get('/health/detailed');
    assert.is(health.status, 200);
    if (what === 'away') assert.is((health.json() as OperationalStatus).status, 'degraded');
    await end();
    await waitFor(
      'a summary from Redis',
      async () => ((await summary()).source === 'redis' ? true : undefined),
      NOTICE_TIMEOUT_MS,
    );
    await assertInvariant(stage);
    console.log(`fault 13: Redis was ${what}`);
  });
}

test.run();
