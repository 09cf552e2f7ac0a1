import type { Pool, PoolClient } from 'pg';
import { LOCK_NAMESPACE, LOCKS } from './locks.js';
import { inTransaction } from './postgres.js';

/** The product's tables and the column that each is partitioned by. */
export const TIME_COLUMNS = {
  user_events: 'created_at',
  system_metrics: 'timestamp',
  api_metrics: 'timestamp',
} as const;
export type EventTable = keyof typeof TIME_COLUMNS;
export const EVENT_TABLES: readonly EventTable[] = ['user_events', 'system_metrics', 'api_metrics'];

/** Where the product's tables are. */
export const LIVE_SCHEMA = 'public';
/** Where a rebuild makes its tables, and where their partitions still may be after they have taken the place of the live ones. */
export const SHADOW_SCHEMA = 'metrics_shadow';
/** Where the tables are that a rebuild has replaced. */
export const PREVIOUS_SCHEMA = 'metrics_previous';
export type TableSchema = typeof LIVE_SCHEMA | typeof SHADOW_SCHEMA | typeof PREVIOUS_SCHEMA;

/**
 * Keeps the tables from being replaced until the transaction ends. To be said before its first snapshot, of a transaction
 * that sees one snapshot only: one that is older than the swap would look up the new tables by name and see the rows that
 * they had a while ago. Days may be dropped meanwhile.
 */
export const KEEP_TABLES = 'lock table only user_events, only system_metrics, only api_metrics in access share mode';

const DAY_MS = 86_400_000;
const LOCK_TIMEOUT_MS = 1_000;

/** The day (UTC) of a time, as a whole number of days since 1970. */
export function dayOf(timeMs: number): number {
  return Math.floor(timeMs / DAY_MS);
}

/** The first day (whole days since 1970) that is kept: an event of it may still be within the retention. */
export function firstKeptDay(nowMs: number, retentionDays: number): number {
  return dayOf(nowMs - retentionDays * DAY_MS);
}

/** `user_events_p20261124`. */
export function partitionName(table: EventTable, day: number): string {
  return `${table}_p${isoDate(day).replaceAll('-', '')}`;
}

/** `2026-11-24`, of a day as `dayOf` counts them. */
export function isoDate(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** The day of a partition by its name; undefined where it is none of the table's. */
export function dayOfPartition(table: EventTable, name: string): number | undefined {
  const [, year, month, day] = new RegExp(`^${table}_p(\\d{4})(\\d{2})(\\d{2})$`).exec(name) ?? [];
  return year === undefined ? undefined : dayOf(Date.parse(`${year}-${month}-${day}T00:00:00Z`));
}

/** A partition of one of the tables. */
export interface Partition {
  /** With its schema, as a statement names it. A rebuild changes the schema of the parent first: ask, do not guess. */
  readonly name: string;
  readonly schema: string;
  readonly day: number;
}

/** The partitions of a table in the order of their days, whatever schema each is in. */
export async function listPartitions(
  client: Pool | PoolClient,
  table: EventTable,
  schema: TableSchema = LIVE_SCHEMA,
): Promise<Partition[]> {
  const { rows } = await client.query<{ schema: string; name: string }>(
    `select nspname as schema, relname as name
     from pg_inherits
     inner join pg_class on pg_class.oid = inhrelid
     inner join pg_namespace on pg_namespace.oid = relnamespace
     where inhparent = to_regclass($1)
     order by relname`,
    [`${schema}.${table}`],
  );
  return rows.flatMap(({ schema: own, name }) => {
    const day = dayOfPartition(table, name);
    return day === undefined ? [] : [{ name: `${own}.${name}`, schema: own, day }];
  });
}

/** The partition of a day (whole days since 1970) with its schema, as a statement names it; undefined where there is none. */
export async function findPartition(
  client: Pool | PoolClient,
  table: EventTable,
  day: number,
  schema: TableSchema = LIVE_SCHEMA,
): Promise<string | undefined> {
  const { rows } = await client.query<{ name: string }>(
    `select format('%I.%I', nspname, relname) as name
     from pg_inherits
     inner join pg_class on pg_class.oid = inhrelid
     inner join pg_namespace on pg_namespace.oid = relnamespace
     where inhparent = to_regclass($1) and relname = $2`,
    [`${schema}.${table}`, partitionName(table, day)],
  );
  return rows[0]?.name;
}

/** Knows which partitions exist and makes the missing ones, ahead of time and on demand for late events. */
export class Partitions {
  readonly #known = new Set<string>();

  /** @param schema of the parents, and of the partitions that are made */
  constructor(
    private readonly pool: Pool,
    private readonly schema: TableSchema = LIVE_SCHEMA,
    private readonly tables: readonly EventTable[] = EVENT_TABLES,
  ) {}

  /** Makes sure that every table has a partition for each of these days. */
  async ensure(days: Iterable<number>): Promise<void> {
    for (const day of days) {
      for (const table of this.tables) {
        const name = partitionName(table, day);
        if (this.#known.has(name)) continue;
        await this.#create(table, day);
        this.#known.add(name);
      }
    }
  }

  /** Makes the partitions of today and the days to come, so that midnight costs nobody a wait. */
  async ensureAhead(nowMs: number, daysAhead: number): Promise<void> {
    const today = dayOf(nowMs);
    await this.ensure(Array.from({ length: daysAhead + 2 }, (_, index) => today - 1 + index));
  }

  /** Forgets what is known, after an insert found a partition missing. */
  forget(): void {
    this.#known.clear();
  }

  /**
   * A table made by itself and then attached: ATTACH takes a weaker lock on the parent than CREATE … PARTITION OF,
   * so readers and writers of the other days go on.
   */
  async #create(table: EventTable, day: number): Promise<void> {
    await inTransaction(this.pool, async (client) => {
      await client.query('select pg_advisory_xact_lock($1, $2)', [LOCK_NAMESPACE, LOCKS.partitions]);
      if ((await findPartition(client, table, day, this.schema)) !== undefined) return;
      await client.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
      const parent = `${this.schema}.${table}`;
      const name = `${this.schema}.${partitionName(table, day)}`;
      await makeWay(client, name);
      await client.query(
        `create table if not exists ${name} (like ${parent} including defaults including constraints including storage)`,
      );
      await client.query(
        `create unique index if not exists ${partitionName(table, day)}_event_id on ${name} (event_id)`,
      );
      await client.query(
        `alter table ${parent} attach partition ${name}
         for values from ('${isoDate(day)} 00:00:00+00') to ('${isoDate(day + 1)} 00:00:00+00')`,
      );
    });
  }
}

/**
 * A partition of replaced tables may still have the name, until the rebuild that replaced them has cleared it away: then
 * it is moved to its parent. One that belongs to nobody was left by a detach that did not end in a drop, and is in the way:
 * its rows are not thrown away here.
 */
async function makeWay(client: PoolClient, name: string): Promise<void> {
  const { rows } = await client.query<{ schema: string }>(
    `select nspname as schema
     from pg_inherits
     inner join pg_class on pg_class.oid = inhparent
     inner join pg_namespace on pg_namespace.oid = relnamespace
     where inhrelid = to_regclass($1) and nspname = $2`,
    [name, PREVIOUS_SCHEMA],
  );
  if (rows[0] !== undefined) await client.query(`alter table ${name} set schema ${PREVIOUS_SCHEMA}`);
}
