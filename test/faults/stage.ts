import { connect, type JetStreamClient, type NatsConnection } from 'nats';
import type { Pool } from 'pg';
import * as assert from 'uvu/assert';
import { loadFoldConfig } from '../../src/config.js';
import { matchSources } from '../../src/events/sources.js';
import { isEqualDay } from '../../src/projections/verify/tally.js';
import { verify } from '../../src/projections/verify/verify.js';
import type { OperationalStatus } from '../../src/queries/get-status.js';
import type { Summary } from '../../src/queries/summary.js';
import { openRedis, redisAnswered } from '../../src/store/redis.js';
import { ConnectionWatch } from '../../src/stream/connection.js';
import { testPool } from '../support/database.js';
import { waitFor } from '../support/servers.js';
import { startTestServers, type TestClient, type TestServers } from '../support/service.js';
import { ServiceProcess } from '../support/service-process.js';
import { type AuditReport, Ledger } from './ledger.js';
import { assertEqualsRecount, recountSummary } from './summary-recount.js';

const CATCH_UP_TIMEOUT_MS = 120_000;
const REDIS_TIMEOUT_MS = 10_000;

/** Everything that a test of faults needs: servers, the service as a process, a publisher's connection, the book. */
export interface Stage {
  readonly servers: TestServers;
  readonly service: ServiceProcess;
  readonly client: TestClient;
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly pool: Pool;
  readonly ledger: Ledger;
  close(): Promise<void>;
}

/** @param servers what is started unless given; they are stopped with the stage */
export async function openStage(given?: TestServers): Promise<Stage> {
  const servers = given ?? (await startTestServers());
  const service = await ServiceProcess.create(servers.env);
  await service.start();
  const connection = await connect({
    servers: (servers.env.NATS_URL ?? '').split(','),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
    // As the service: a server that is stopped is noticed.
    pingInterval: 5_000,
  });
  const pool = testPool(servers.database.url);
  return {
    servers,
    service,
    client: await service.client(),
    connection,
    jetstream: connection.jetstream(),
    pool,
    ledger: new Ledger(),
    close: async () => {
      await service.end('SIGTERM');
      await connection.close();
      await pool.end();
      await servers.stop();
    },
  };
}

/** Waits until tables and summaries contain the whole log. */
export async function caughtUp({ client, connection }: Stage): Promise<void> {
  const lastSequence = await sequenceReader(connection);
  await waitFor(
    'tables and summaries to contain the log',
    async () => {
      const last = await lastSequence();
      if (last === undefined) return undefined;
      const answer = await client.get('/health/detailed');
      const { projections } = answer.json() as OperationalStatus;
      return projections.every(({ sequence }) => sequence === last) ? true : undefined;
    },
    CATCH_UP_TIMEOUT_MS,
  );
}

/** Reads where the log ends; undefined while nobody answers: a server has just been started, or a cluster elects. */
async function sequenceReader(connection: NatsConnection): Promise<() => Promise<number | undefined>> {
  const manager = await connection.jetstreamManager({ checkAPI: false });
  return async () => (await manager.streams.info('METRICS').catch(() => undefined))?.state.last_seq;
}

/** Waits until the tables contain everything that is in the log now. */
export async function projected({ connection, pool }: Stage, boundMs: number): Promise<void> {
  const wanted = await waitFor('the log', await sequenceReader(connection), boundMs);
  await waitFor(
    `the projection of ${wanted}`,
    async () => {
      const { rows } = await pool.query<{ reached: boolean }>(
        `select sequence >= $1 as reached from projection_checkpoints where name = 'tables'`,
        [wanted],
      );
      return rows[0]?.reached === true ? true : undefined;
    },
    boundMs,
  );
}

/** What a test asks of the invariant beside the rest. */
export interface Audit {
  /** Whether `verify` has to find no difference, too, as it has unless told otherwise. Not where Postgres itself refused rows, or another codec read the log. */
  readonly verified?: boolean;
}

/** The invariant: every acknowledged id once, nothing twice, nothing that was not sent, a summary that is right, and `verify` agrees. */
export async function assertInvariant(stage: Stage, { verified = true }: Audit = {}): Promise<AuditReport> {
  await caughtUp(stage);
  const report = await stage.ledger.audit(stage.pool);
  assert.equal(
    {
      missing: report.missing.slice(0, 10),
      doubled: report.doubled.slice(0, 10),
      foreign: report.foreign.slice(0, 10),
    },
    { missing: [], doubled: [], foreign: [] },
  );
  const answer = await stage.client.get('/metrics/summary?window=24h');
  assert.is(answer.status, 200, answer.text);
  const summary = answer.json() as Summary;
  assert.is(summary.source, 'redis');
  assertEqualsRecount(summary, await recountSummary(stage.pool));
  if (verified) await assertVerified(stage);
  return report;
}

/** `verify` finds no difference. It runs in this process, which is cheaper than a command. */
export async function assertVerified({ servers, connection, pool }: Stage): Promise<void> {
  const { sources, retentionDays, business, redis: settings } = loadFoldConfig(servers.env);
  const redis = openRedis(settings, REDIS_TIMEOUT_MS, () => undefined);
  try {
    await redisAnswered(redis);
    const manager = await connection.jetstreamManager();
    const codec = { retentionDays, matchSource: matchSources(sources) };
    const log = { connection, watch: new ConnectionWatch(connection), manager, codec };
    const outcome = await verify({ ...log, pool, redis, business, retentionDays, now: Date.now });
    if (outcome.kind !== 'compared') throw new Error(outcome.reason);
    const { tables, summaries, equal } = outcome.report;
    const days = tables.flatMap(({ table, days: all }) => all.map((day) => ({ table, ...day })));
    assert.equal(
      days.filter((day) => !isEqualDay(day)),
      [],
    );
    if (summaries.state === 'compared') assert.equal(summaries.differences, []);
    assert.is(equal, true, JSON.stringify(summaries));
  } finally {
    redis.disconnect();
  }
}
