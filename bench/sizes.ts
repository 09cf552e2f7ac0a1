import { Redis } from 'ioredis';
import type { Pool } from 'pg';
import type { EventTable } from '../src/store/partitions.js';

export interface Sized {
  readonly name: string;
  readonly bytes: number;
}

const SCAN_COUNT = 1_000;

function toSized(rows: readonly { name: string; bytes: string }[]): Sized[] {
  return rows.map(({ name, bytes }) => ({ name, bytes: Number(bytes) }));
}

/** What the partitions of a table hold: rows, and each index by its definition. */
export async function readTable(
  pool: Pool,
  table: EventTable,
): Promise<{ readonly rows: number; readonly sizes: readonly Sized[] }> {
  const counted = await pool.query<{ count: string }>(`select count(*) from ${table}`);
  const { rows } = await pool.query<{ name: string; bytes: string }>(
    `with partitions as (select inhrelid as id from pg_inherits where inhparent = $1::regclass)
     select 'rows' as name, sum(pg_table_size(id)) as bytes, 0 as place from partitions
     union all
     select substring(pg_get_indexdef(indexrelid) from 'USING (.*)$'), sum(pg_relation_size(indexrelid)), 1
     from partitions
     inner join pg_index on indrelid = id
     group by 1
     order by place, name`,
    [table],
  );
  return { rows: Number(counted.rows[0]?.count), sizes: toSized(rows) };
}

/** Every other table of the service that is larger than an empty one, with its indexes. */
export async function readRollups(pool: Pool): Promise<Sized[]> {
  const { rows } = await pool.query<{ name: string; bytes: string }>(
    `select relname as name, pg_total_relation_size(oid) as bytes
     from pg_class
     where relnamespace = 'public'::regnamespace and relkind = 'r' and not relispartition
       and pg_relation_size(oid) > 0
     order by bytes desc, name`,
  );
  return toSized(rows);
}

/** Bytes of WAL that this Postgres has written since it was made. */
export async function readWalBytes(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ bytes: string }>(`select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') as bytes`);
  return Number(rows[0]?.bytes);
}

/** Asks a Redis what its keys take, by their names without numbers. */
export async function readRedis(
  port: number,
): Promise<{ readonly sizes: () => Promise<Sized[]>; readonly close: () => void }> {
  const redis = new Redis({ host: '127.0.0.1', port, lazyConnect: true });
  await redis.connect();
  const sizes = async (): Promise<Sized[]> => {
    const byName = new Map<string, number>();
    let cursor = '0';
    do {
      const [next, keys] = await redis.scan(cursor, 'COUNT', SCAN_COUNT);
      for (const key of keys) {
        const name = key.replaceAll(/\d+/g, 'N');
        byName.set(name, (byName.get(name) ?? 0) + Number(await redis.memory('USAGE', key, 'SAMPLES', 0)));
      }
      cursor = next;
    } while (cursor !== '0');
    return [...byName].map(([name, bytes]) => ({ name, bytes })).sort((a, b) => b.bytes - a.bytes);
  };
  return { sizes, close: () => redis.disconnect() };
}
