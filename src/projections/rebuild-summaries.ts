import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Pool, PoolClient } from 'pg';
import { readCheckpoint, TABLES_PROJECTION } from '../store/checkpoints.js';
import { type Counters, keepDays, readCounterBase } from '../store/counters.js';
import { inTransaction } from '../store/postgres.js';
import { CURRENT_KEY, generationPrefix, KEY_PREFIX, PART } from '../store/summary-schema.js';
import { type Fact, featureOf, microseconds } from './facts.js';
import { loadSeries } from './load-series.js';
import type { Pace } from './pace.js';
import {
  type BusinessTypes,
  emptyDelta,
  foldDelta,
  MAX_ROWS_PER_DELTA,
  type SummaryDelta,
  under,
} from './summary-delta.js';
import { applyFollowing } from './summary-outbox.js';
import type { SummaryWriter } from './summary-writer.js';

export interface RebuildOptions {
  readonly business: BusinessTypes;
  /** Identifies the mapping and the retention, so that a change is noticed. */
  readonly settingsHash: string;
  readonly keptSeconds: number;
  /** How much of the time it takes; its signal ends it. */
  readonly pace: Pace;
  /** Called after every step. */
  readonly meanwhile?: () => Promise<void>;
}

const KEYS_PER_SCAN = 1_000;

type FactAt = { readonly fact: Fact; readonly sequence: number };

/**
 * Folds the tables into a new generation of the summaries, as of one snapshot, and switches to it. Readers see the old
 * generation until then.
 *
 * @throws SummariesFenced where another leader writes meanwhile; the signal's reason; what Postgres and Redis say
 * @returns the new generation and the sequence that it contains
 */
export async function rebuildSummaries(
  pool: Pool,
  redis: Redis,
  writer: SummaryWriter,
  options: RebuildOptions,
): Promise<{ generation: string; position: string }> {
  const generation = randomUUID().slice(0, 8);
  const meta = `${generationPrefix(generation)}meta`;
  const position = await inTransaction(
    pool,
    async (client) => {
      await keepDays(client);
      const checkpoint = await readCheckpoint(client, TABLES_PROJECTION);
      // Set after the first statement, which takes the snapshot: no statement here has a user who waits.
      await client.query('set local statement_timeout = 0');
      const registry = await loadSeries(client);
      let place = 0;
      const tables = String(checkpoint?.generation ?? 0);
      await writer.write(['hset', meta, 'sequence', 'step-0', 'business', options.settingsHash, 'tables', tables]);
      const apply = async (delta: SummaryDelta): Promise<void> => {
        const placed = { from: `step-${place}`, to: `step-${place + 1}`, delta: JSON.stringify(delta) };
        const reached = await writer.apply(generation, placed, options.keptSeconds);
        if (reached !== placed.to) throw new Error(`The rebuild of the summaries stands at ${reached}`);
        place += 1;
      };
      await apply(deltaOfBase(await readCounterBase(client)));
      const rows = readFacts(client);
      const step = async (): Promise<boolean> => {
        const { value: facts, done } = await rows.next();
        if (done === true) return false;
        await apply(foldDelta(facts, registry, options.business));
        await options.meanwhile?.();
        return true;
      };
      while (await options.pace.of(step));
      return String(checkpoint?.sequence ?? 0);
    },
    'begin isolation level repeatable read read only',
  );
  await writer.write(['hset', meta, 'sequence', position]);
  // What came meanwhile is in the generation that is read until now: no answer is to go back in time.
  const reached = await applyFollowing(pool, writer, generation, position, options.keptSeconds);
  await writer.write(['set', CURRENT_KEY, generation]);
  await dropOtherGenerations(redis, writer, generation);
  return { generation, position: reached };
}

/** What days contributed that were dropped. */
export function deltaOfBase(base: Counters): SummaryDelta {
  const delta = emptyDelta();
  Object.assign(delta.events, Object.fromEntries(base.events));
  for (const kind of ['http', 'duration'] as const) {
    for (const [field, count] of base[kind]) {
      const end = field.lastIndexOf(PART);
      under(delta[kind], field.slice(0, end))[field.slice(end + 1)] = count;
    }
  }
  return delta;
}

/** Deletes what earlier generations, finished or not, left behind. */
async function dropOtherGenerations(redis: Redis, writer: SummaryWriter, kept: string): Promise<void> {
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', `${KEY_PREFIX}*:*`, 'COUNT', KEYS_PER_SCAN);
    const stale = keys.filter(
      (key) => !key.startsWith(generationPrefix(kept)) && !key.startsWith(`${KEY_PREFIX}view:`),
    );
    if (stale.length > 0) await writer.write(['unlink', ...stale]);
    cursor = next;
  } while (cursor !== '0');
}

interface UserRow {
  readonly time_ms: string;
  readonly stream_seq: string;
  readonly user_id: number | null;
  readonly event_type: string;
  readonly metadata: Record<string, unknown> | null;
}

interface SystemRow {
  readonly time_ms: string;
  readonly stream_seq: string;
  readonly service_name: string;
  readonly metric_name: string;
  readonly value: string;
}

interface ApiRow {
  readonly time_ms: string;
  readonly stream_seq: string;
  readonly service_name: string;
  readonly method: string;
  readonly route: string;
  readonly status_code: number;
  readonly response_time_ms: string | null;
  readonly request_bytes: string | null;
  readonly response_bytes: string | null;
}

const TIME_MS = (column: string): string => `(extract(epoch from ${column}) * 1000)::bigint as time_ms`;

/** Reads the rows of all three tables back as facts, a bounded number at a time. */
async function* readFacts(client: PoolClient): AsyncGenerator<FactAt[]> {
  yield* readTable<UserRow>(
    client,
    `select ${TIME_MS('created_at')}, stream_seq, user_id, event_type,
            case when event_type = 'feature_used' then metadata end as metadata
     from user_events`,
    (row) => ({
      kind: 'user',
      timeMs: Number(row.time_ms),
      eventType: row.event_type,
      userId: row.user_id,
      feature: featureOf(row.event_type, row.metadata),
    }),
  );
  yield* readTable<SystemRow>(
    client,
    `select ${TIME_MS('timestamp')}, stream_seq, service_name, metric_name, value from system_metrics`,
    (row) => ({
      kind: 'system',
      timeMs: Number(row.time_ms),
      sequence: Number(row.stream_seq),
      serviceName: row.service_name,
      metricName: row.metric_name,
      value: Number(row.value),
    }),
  );
  yield* readTable<ApiRow>(
    client,
    `select ${TIME_MS('timestamp')}, stream_seq, service_name, method, route, status_code, response_time_ms,
            request_bytes, response_bytes
     from api_metrics`,
    (row) => ({
      kind: 'api',
      timeMs: Number(row.time_ms),
      serviceName: row.service_name,
      method: row.method,
      route: row.route,
      statusCode: row.status_code,
      responseTimeUs: row.response_time_ms === null ? null : microseconds(Number(row.response_time_ms)),
      requestBytes: row.request_bytes === null ? null : Number(row.request_bytes),
      responseBytes: row.response_bytes === null ? null : Number(row.response_bytes),
    }),
  );
}

async function* readTable<R extends { readonly stream_seq: string }>(
  client: PoolClient,
  select: string,
  toFact: (row: R) => Fact,
): AsyncGenerator<FactAt[]> {
  await client.query(`declare facts no scroll cursor for ${select}`);
  for (;;) {
    const { rows } = await client.query<R>(`fetch ${MAX_ROWS_PER_DELTA} from facts`);
    if (rows.length === 0) break;
    yield rows.map((row) => ({ fact: toFact(row), sequence: Number(row.stream_seq) }));
  }
  await client.query('close facts');
}
