import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  dayOf,
  EVENT_TABLES,
  type EventTable,
  findPartition,
  firstKeptDay,
  listPartitions,
} from '../../src/store/partitions.js';
import { inTransaction } from '../../src/store/postgres.js';
import { count, testPool } from '../support/database.js';
import { SeededRandom } from '../support/random.js';
import { waitFor } from '../support/servers.js';
import { ServiceProcess } from '../support/service-process.js';
import { assertInvariant, caughtUp, openStage, type Stage } from './stage.js';
import { makeEvent, postBatch, publishToNats, type SentEvent } from './traffic.js';

const test = suite('partitions and retention');

const FULL = process.env.METRICS_FAULTS === 'full';
const OLD_DAYS = FULL ? 80 : 8;
const RETENTION_DAYS = 2;
/** Days ago; of those that go by the shorter retention. */
const NEWEST_OLD_DAY = RETENTION_DAYS + 2;
const MISSING_DAYS = FULL ? 10 : 2;
const DAY_MS = 86_400_000;
const EVENTS_PER_ROUND = 50;
const MAX_LOCK_WAIT_MS = 1_000;
const LOOK_MS = 20;
/** The watch has to see a wait of this length that is made for it. */
const MADE_WAIT_MS = 100;

/** Sends events of now until told to end; each counts in the ledger. */
function keepSending(stage: Stage, random: SeededRandom): { end(): Promise<number> } {
  let ended = false;
  let sent = 0;
  const run = async (): Promise<number> => {
    while (!ended) {
      const events = Array.from({ length: EVENTS_PER_ROUND }, () => makeEvent(random, `r-${sent++}`, Date.now()));
      const half = EVENTS_PER_ROUND / 2;
      await Promise.all([
        publishToNats(stage.jetstream, stage.ledger, events.slice(0, half)),
        postBatch(stage.client, stage.ledger, events.slice(half)),
      ]);
    }
    return sent;
  };
  const running = run();
  return {
    end: () => {
      ended = true;
      return running;
    },
  };
}

/** Notes the longest wait for a lock that Postgres shows, ms, looking fifty times a second. */
function watchLocks(url: string): { longestMs(): number; end(): Promise<number> } {
  const pool = testPool(url, 1);
  let ended = false;
  let longestMs = 0;
  const run = async (): Promise<number> => {
    while (!ended) {
      const { rows } = await pool.query<{ ms: number | null }>(
        `select max(extract(epoch from clock_timestamp() - waitstart) * 1000)::float8 as ms from pg_locks
         where not granted and locktype in ('relation', 'transactionid', 'tuple')
           and database = (select oid from pg_database where datname = current_database())`,
      );
      longestMs = Math.max(longestMs, rows[0]?.ms ?? 0);
      await sleep(LOOK_MS);
    }
    await pool.end();
    return longestMs;
  };
  const running = run();
  return {
    longestMs: () => longestMs,
    end: () => {
      ended = true;
      return running;
    },
  };
}

/** A watch that sees no wait proves nothing unless it would: one is made, until it is seen. */
async function assertWaitIsSeen({ pool, servers }: Stage): Promise<void> {
  const locks = watchLocks(servers.database.url);
  const waiters: Promise<unknown>[] = [];
  try {
    await inTransaction(pool, async (holder) => {
      await holder.query('lock table user_events in access exclusive mode');
      waiters.push(pool.query('select from user_events limit 1'));
      await waitFor('the watch to see a wait', () => (locks.longestMs() > MADE_WAIT_MS ? true : undefined));
    });
  } finally {
    await Promise.all([...waiters, locks.end()]);
  }
}

/** Events of days past the new retention, spread over all of them but for the oldest, which are to be missing. */
async function sendOld(stage: Stage, random: SeededRandom): Promise<void> {
  const days = OLD_DAYS - MISSING_DAYS;
  const events = Array.from({ length: days * 20 }, (_, index) =>
    makeEvent(random, `old-${index}`, Date.now() - (NEWEST_OLD_DAY + (index % days)) * DAY_MS),
  );
  await postBatch(stage.client, stage.ledger, events);
  await caughtUp(stage);
}

/** The service starts again with a shorter retention. */
async function restart(stage: Stage): Promise<Stage> {
  await stage.service.end('SIGTERM');
  const env = { ...stage.servers.env, METRICS_RETENTION_DAYS: String(RETENTION_DAYS) };
  const service = await ServiceProcess.create(env);
  await service.start();
  const close = async (): Promise<void> => {
    await service.end('SIGTERM');
    await stage.close();
  };
  return { ...stage, servers: { ...stage.servers, env }, service, client: await service.client(), close };
}

/** @throws where a partition is missing, or is not empty */
async function dropEmptyPartitions({ pool }: Stage, day: number): Promise<void> {
  for (const table of ['system_metrics', 'api_metrics'] as const) {
    const partition = (await findPartition(pool, table, day)) ?? 'none';
    assert.is(await count(pool, `select count(*) from ${partition}`), 0);
    await pool.query(`drop table ${partition}`);
  }
}

/** Twenty events of a day, of some of the tables. */
function eventsOf(random: SeededRandom, prefix: string, day: number, tables: readonly EventTable[]): SentEvent[] {
  const events: SentEvent[] = [];
  for (let index = 0; events.length < 20; index += 1) {
    const event = makeEvent(random, `${prefix}-${index}`, (day + 0.5) * DAY_MS);
    if (tables.includes(event.table)) events.push(event);
  }
  return events;
}

test(`fault 21: ${MISSING_DAYS} days lose their partitions and ${OLD_DAYS} go by a shorter retention, under load: no insert fails, no lock is waited for over 1 s`, async () => {
  const random = SeededRandom.announced('retention');
  let stage = await openStage();
  const running: { end(): Promise<unknown> }[] = [];
  try {
    await assertWaitIsSeen(stage);
    await sendOld(stage, random);
    // User events make the partitions of all three tables: the projector knows of two that are empty, and they go.
    const missing = Array.from(
      { length: MISSING_DAYS },
      (_, index) => dayOf(Date.now()) - NEWEST_OLD_DAY - OLD_DAYS + MISSING_DAYS - index,
    );
    const known = missing.flatMap((day) => eventsOf(random, `known-${day}`, day, ['user_events']));
    await postBatch(stage.client, stage.ledger, known);
    await caughtUp(stage);
    for (const day of missing) await dropEmptyPartitions(stage, day);
    const making = watchLocks(stage.servers.database.url);
    running.push(making);
    const events = missing.flatMap((day) => eventsOf(random, `missing-${day}`, day, EVENT_TABLES));
    await publishToNats(stage.jetstream, stage.ledger, events);
    await caughtUp(stage);
    const longestMakingMs = await making.end();
    const { missing: lost, doubled } = await stage.ledger.audit(stage.pool);
    assert.equal({ lost, doubled }, { lost: [], doubled: [] });
    stage.ledger.forget(/^(?:known|missing|old)-/);

    stage = await restart(stage);
    const locks = watchLocks(stage.servers.database.url);
    const sending = keepSending(stage, random);
    running.push(locks, sending);
    const firstKept = firstKeptDay(Date.now(), RETENTION_DAYS);
    await waitFor(
      'the old days to be gone',
      async () => {
        const dashboard = await stage.client.get('/metrics/dashboard?from=-24h');
        assert.is(dashboard.status, 200, dashboard.text);
        const kept = await listPartitions(stage.pool, 'user_events');
        return kept.every(({ day }) => day >= firstKept) ? true : undefined;
      },
      120_000,
    );
    const sent = await sending.end();
    const longestMs = Math.max(longestMakingMs, await locks.end());
    const report = await assertInvariant(stage);
    assert.is(report.rows, sent);
    assert.ok(longestMs < MAX_LOCK_WAIT_MS, `a lock was waited for ${longestMs} ms`);
    const stream = await (await stage.connection.jetstreamManager()).streams.info('METRICS');
    assert.is(stream.config.max_age, ((RETENTION_DAYS + 1) * 86_400 + 3_600) * 1e9);
    const gone = await count(stage.pool, 'select count(*) from user_events where created_at < now() - $1::interval', [
      `${RETENTION_DAYS + 1} days`,
    ]);
    assert.is(gone, 0);
    console.log(
      `fault 21: ${missing.length} missing days made again, ${OLD_DAYS} days dropped while ${sent} events came; longest wait for a lock ${longestMs.toFixed(0)} ms`,
    );
  } finally {
    await Promise.allSettled(running.map((each) => each.end()));
    await stage.close();
  }
});

test.run();
