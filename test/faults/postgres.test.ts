import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManagedServer } from '../../src/devservices/index.js';
import type { Summary } from '../../src/queries/summary.js';
import { SeededRandom } from '../support/random.js';
import { startTestPostgres, waitFor } from '../support/servers.js';
import { startTestServers } from '../support/service.js';
import { assertInvariant, caughtUp, openStage, type Stage } from './stage.js';
import { makeEvent, postBatch, publishToNats } from './traffic.js';

const FULL = process.env.METRICS_FAULTS === 'full';
const KILLS = FULL ? 20 : 2;
const AWAY_MS = FULL ? 60_000 : 5_000;
/** Share of transactions that are made to fail. */
const FAILING = 0.05;
const FAILING_MS = FULL ? 60_000 : 6_000;
const EVENTS_PER_ROUND = 40;
const MAX_LIFE_MS = 1_500;
/** As a power cut would find it: what is acknowledged has to be on disk. */
const DURABLE = { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' };

interface Context {
  postgres: ManagedServer;
  stage: Stage;
}
const context: Partial<Context> = {};
const test = suite('faults of Postgres');
const random = SeededRandom.announced('postgres');
let sent = 0;

function opened(): Context {
  const { postgres, stage } = context;
  if (postgres === undefined || stage === undefined) throw new Error('not opened');
  return { postgres, stage };
}

test.before(async () => {
  context.postgres = await startTestPostgres({ settings: DURABLE });
  context.stage = await openStage(await startTestServers({ postgres: context.postgres }));
});
test.after(async () => {
  await context.stage?.close();
  await context.postgres?.stop();
});

/** Sends events, half over NATS and half over HTTP. */
async function send(): Promise<void> {
  const { stage } = opened();
  const events = Array.from({ length: EVENTS_PER_ROUND }, () => makeEvent(random, `p-${sent++}`, Date.now()));
  const half = EVENTS_PER_ROUND / 2;
  await Promise.all([
    publishToNats(stage.jetstream, stage.ledger, events.slice(0, half)),
    postBatch(stage.client, stage.ledger, events.slice(half)),
  ]);
}

/** Sends for as long as `work` takes. */
async function sendingDuring(work: () => Promise<void>): Promise<void> {
  const state = { isDone: false };
  const working = work().finally(() => {
    state.isDone = true;
  });
  while (!state.isDone) {
    await send();
    await sleep(20);
  }
  await working;
}

test(`fault 9: Postgres ends at once ${KILLS} times under load: nothing is acknowledged before its commit, and nothing is lost`, async () => {
  const { stage, postgres } = opened();
  await sendingDuring(async () => {
    for (let kill = 0; kill < KILLS; kill += 1) {
      await sleep(random.integer(0, MAX_LIFE_MS));
      // What `pg_ctl stop -m immediate` sends: no checkpoint, recovery at the next start.
      postgres.signal('SIGQUIT');
      await postgres.kill();
      await postgres.start();
    }
  });
  const report = await assertInvariant(stage);
  assert.is(report.rows, sent);
  console.log(`fault 9: ended at once ${KILLS} times; ${report.rows} rows, each once`);
});

test(`fault 10: Postgres is away for ${AWAY_MS / 1_000} s: posts get 202, summaries come from Redis, and the backlog drains by itself`, async () => {
  const { stage, postgres } = opened();
  await caughtUp(stage);
  const before = sent;
  await postgres.kill();
  await sendingDuring(async () => {
    const endMs = performance.now() + AWAY_MS;
    while (performance.now() < endMs) {
      const summary = await stage.client.get('/metrics/summary?window=24h');
      assert.is(summary.status, 200, summary.text);
      assert.is((summary.json() as Summary).source, 'redis');
      assert.is((await stage.client.get('/metrics/dashboard')).status, 503);
      await sleep(250);
    }
  });
  assert.ok(sent > before);
  await postgres.start();
  const report = await assertInvariant(stage);
  assert.is(report.rows, sent);
  console.log(
    `fault 10: away for ${AWAY_MS / 1_000} s; ${sent - before} events were taken meanwhile, and are stored once each`,
  );
});

test(`fault 11: ${FAILING * 100} % of transactions fail with 40001, 40P01, 55P03 or 57014: they are tried again`, async () => {
  const { stage } = opened();
  await stage.pool.query(`
    create sequence injected;
    create function fail_sometimes() returns trigger language plpgsql as $$
    declare codes text[] := array['40001', '40P01', '55P03', '57014'];
    begin
      if random() < ${FAILING} and new.sequence > old.sequence then
        -- A sequence is not rolled back with what failed.
        raise exception 'injected' using errcode = codes[1 + nextval('injected')::int % 4];
      end if;
      return new;
    end $$;
    create trigger fail before update on projection_checkpoints for each row execute function fail_sometimes()`);
  const injected = async (): Promise<number> => {
    const { rows } = await stage.pool.query<{ count: string }>(
      'select case when is_called then last_value else 0 end as count from injected',
    );
    return Number(rows[0]?.count);
  };
  await sendingDuring(() => sleep(FAILING_MS));
  // Each of the four has come up.
  await sendingDuring(async () => {
    await waitFor('failures of each kind', async () => ((await injected()) >= 4 ? true : undefined), 60_000);
  });
  await stage.pool.query('drop trigger fail on projection_checkpoints');
  const report = await assertInvariant(stage);
  assert.is(report.rows, sent);
  const { state } = await (await stage.connection.jetstreamManager()).streams.info('METRICS_DEADLETTERS');
  assert.is(state.messages, 0);
  console.log(`fault 11: ${await injected()} transactions were made to fail; ${report.rows} rows, each once`);
});

test.run();
