import type { Pool } from 'pg';
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

const DAY_MS = 86_400_000;
const LOCK_TIMEOUT_MS = 1_000;

/** The day (UTC) of a time, as a whole number of days since 1970. */
export function dayOf(timeMs: number): number {
  return Math.floor(timeMs / DAY_MS);
}

/** `user_events_p20261124`. */
export function partitionName(table: EventTable, day: number): string {
  return `${table}_p${isoDate(day).replaceAll('-', '')}`;
}

function isoDate(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** Knows which partitions exist and makes the missing ones, ahead of time and on demand for late events. */
export class Partitions {
  readonly #known = new Set<string>();

  constructor(private readonly pool: Pool) {}

  /** Makes sure that every table has a partition for each of these days. */
  async ensure(days: Iterable<number>): Promise<void> {
    for (const day of days) {
      for (const table of EVENT_TABLES) {
        const name = partitionName(table, day);
        if (this.#known.has(name)) continue;
        await this.#create(table, day, name);
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
  async #create(table: EventTable, day: number, name: string): Promise<void> {
    await inTransaction(this.pool, async (client) => {
      await client.query('select pg_advisory_xact_lock($1, $2)', [LOCK_NAMESPACE, LOCKS.partitions]);
      const { rows } = await client.query('select 1 from pg_inherits where inhrelid = to_regclass($1)', [name]);
      if (rows.length > 0) return;
      await client.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
      await client.query(
        `create table if not exists ${name} (like ${table} including defaults including constraints including storage)`,
      );
      await client.query(`create unique index if not exists ${name}_event_id on ${name} (event_id)`);
      await client.query(
        `alter table ${table} attach partition ${name}
         for values from ('${isoDate(day)} 00:00:00+00') to ('${isoDate(day + 1)} 00:00:00+00')`,
      );
    });
  }
}
