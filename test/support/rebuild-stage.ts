import type { LogEvent } from '../../src/events/kinds.js';
import type { RebuildWishes } from '../../src/projections/rebuild/rebuild-state.js';
import {
  type RebuildDependencies,
  type RebuildOutcome,
  type RebuildRequest,
  rebuildTables,
} from '../../src/projections/rebuild/rebuild-tables.js';
import { EVENT_TABLES, type EventTable } from '../../src/store/partitions.js';
import { openStore, type TestStore } from './database.js';
import type { TestLog } from './log.js';
import { codec } from './messages.js';
import { newProjector, untilProjected } from './projection.js';

export const WISHES: RebuildWishes = { keep: false, dryRun: false, summaries: false };

/** Appends events as publishers would; `id` stands in the header, so that JetStream knows it. */
export async function appendEvents(log: TestLog, events: readonly LogEvent[]): Promise<void> {
  const requests = events.map(({ id, kind, body, occurredAtMs }) => {
    const name = kind === 'user' ? body.event_type : body.service_name;
    const payload = Buffer.from(JSON.stringify({ ...body, occurred_at: new Date(occurredAtMs).toISOString() }));
    return { id, subject: `metrics.events.${kind}.${name}`, payload };
  });
  const result = await log.appender.appendAll(requests);
  if (result.kind !== 'stored') throw new Error(`not appended: ${result.reason}`);
}

/** A database into which a projector has folded the log. */
export async function openProjected(log: TestLog): Promise<TestStore> {
  const store = await openStore();
  await project(log, store);
  return store;
}

/** Lets a projector fold what the log has. */
export async function project(log: TestLog, store: TestStore): Promise<void> {
  const projector = newProjector(log, store);
  projector.start();
  await untilProjected(log, store, undefined, 60_000);
  await projector.stop();
}

/** Rebuilds as the command does, in this process. */
export function rebuild(
  log: TestLog,
  store: TestStore,
  request: RebuildRequest,
  changes: Partial<RebuildDependencies> = {},
): Promise<RebuildOutcome> {
  return rebuildTables(
    {
      pool: store.pool,
      databaseUrl: store.url,
      connection: log.connection,
      watch: log.watch,
      manager: log.manager,
      codec: codec(),
      holder: 'test',
      niceRatio: 0,
      signal: new AbortController().signal,
      onProgress: () => undefined,
      ...changes,
    },
    request,
  );
}

/** A rebuild of all tables from the beginning. */
export function begin(
  wishes: Partial<RebuildWishes> = {},
  tables: readonly EventTable[] = EVENT_TABLES,
  force = false,
): RebuildRequest {
  return { kind: 'begin', tables, wishes: { ...WISHES, ...wishes }, force };
}

/** All rows but for their `id`, in one order. */
export async function dumpTables(store: TestStore): Promise<Record<EventTable, readonly unknown[]>> {
  const dump = async (table: EventTable): Promise<readonly unknown[]> => {
    const { rows } = await store.pool.query<{ row: unknown }>(
      `select to_jsonb(event) - 'id' as row from ${table} as event order by stream_seq, event_id`,
    );
    return rows.map(({ row }) => row);
  };
  return {
    user_events: await dump('user_events'),
    system_metrics: await dump('system_metrics'),
    api_metrics: await dump('api_metrics'),
  };
}

/** Schemas and rows that a rebuild leaves while it is not at its end. */
export async function traces(store: Pick<TestStore, 'pool'>): Promise<readonly string[]> {
  const { rows } = await store.pool.query<{ trace: string }>(
    `select nspname as trace from pg_namespace where nspname like 'metrics\\_%'
     union all
     select 'checkpoint' from projection_checkpoints where name = 'rebuild'
     union all
     select distinct nspname || '.' || relname from pg_inherits
       inner join pg_class on pg_class.oid = inhrelid inner join pg_namespace on pg_namespace.oid = relnamespace
       where nspname <> 'public' and relkind = 'r'
     order by 1`,
  );
  return rows.map(({ trace }) => trace);
}
