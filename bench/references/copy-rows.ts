/** Rows of the three tables as COPY's text, and the least program that puts them back: one COPY a table. */
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Pool } from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { COPY_COLUMNS } from '../../src/projections/rows.js';
import { EVENT_TABLES, type EventTable, Partitions, TIME_COLUMNS } from '../../src/store/partitions.js';

/** Rows, ready to be sent. */
export interface CopiedRows {
  readonly count: number;
  /** That they fall on, as whole days since 1970. */
  readonly days: ReadonlySet<number>;
  readonly chunks: ReadonlyMap<EventTable, readonly Buffer[]>;
}

const CHUNK_BYTES = 65_536;

/** Reads the rows of some tables, in the order of the log. */
export async function readRows(pool: Pool, tables: readonly EventTable[] = EVENT_TABLES): Promise<CopiedRows> {
  const chunks = new Map<EventTable, readonly Buffer[]>();
  const days = new Set<number>();
  let count = 0;
  for (const table of tables) {
    const found = await pool.query<{ day: number; rows: string }>(
      `select floor(extract(epoch from ${TIME_COLUMNS[table]}) / 86400)::integer as day, count(*) as rows
       from ${table} group by 1`,
    );
    for (const { day, rows } of found.rows) {
      days.add(day);
      count += Number(rows);
    }
    chunks.set(table, await readText(pool, table));
  }
  return { count, days, chunks };
}

async function readText(pool: Pool, table: EventTable): Promise<Buffer[]> {
  const lines: Buffer[] = [];
  const sink = new Writable({
    write: (line: Buffer, _encoding, done) => {
      lines.push(line);
      done();
    },
  });
  const client = await pool.connect();
  try {
    const rows = `select ${COPY_COLUMNS[table]} from ${table} order by stream_seq`;
    await pipeline(client.query(copyTo(`copy (${rows}) to stdout`)), sink);
  } finally {
    client.release();
  }
  const text = Buffer.concat(lines);
  const starts = Array.from({ length: Math.ceil(text.length / CHUNK_BYTES) }, (_, index) => index * CHUNK_BYTES);
  return starts.map((start) => text.subarray(start, start + CHUNK_BYTES));
}

/** Makes the partitions that the rows need; not part of what is measured. */
export async function makePartitions(pool: Pool, { days }: CopiedRows): Promise<void> {
  await new Partitions(pool).ensure(days);
}

/** Copies the rows into the tables of a migrated database. @returns how long that took, ms */
export async function copyRows(pool: Pool, { chunks }: CopiedRows): Promise<number> {
  const startMs = performance.now();
  const client = await pool.connect();
  try {
    for (const [table, buffers] of chunks) {
      const statement = `copy ${table} (${COPY_COLUMNS[table]}) from stdin`;
      await pipeline(Readable.from(buffers), client.query(copyFrom(statement)));
    }
  } finally {
    client.release();
  }
  return performance.now() - startMs;
}
