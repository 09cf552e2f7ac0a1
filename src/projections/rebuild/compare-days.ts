import { DatabaseError, type Pool } from 'pg';
import {
  type EventTable,
  findPartition,
  LIVE_SCHEMA,
  listPartitions,
  SHADOW_SCHEMA,
  type TableSchema,
} from '../../store/partitions.js';
import type { Pace } from '../pace.js';
import { COPY_COLUMNS } from '../rows.js';
import { longQuery } from './patience.js';

/** What a table says about one day. */
export interface DaySum {
  readonly rows: number;
  /** Of all columns but `id` and `stream_seq`, whatever order the rows lie in. */
  readonly checksum: string;
}

/** Some ids, of how many there are. */
export interface Ids {
  readonly count: number;
  readonly first: readonly string[];
}

export interface DayComparison {
  readonly table: EventTable;
  /** `2026-11-24`, in UTC. */
  readonly day: string;
  readonly live: DaySum;
  readonly rebuilt: DaySum;
  /** Where the two differ: events that only the live table has, that only the rebuilt one has, and that say something else. */
  readonly difference?: { readonly lost: Ids; readonly gained: Ids; readonly changed: Ids };
}

const IDS_TOLD = 10;
const DAY_MS = 86_400_000;
const NO_ROWS: DaySum = { rows: 0, checksum: '0' };
const UNDEFINED_TABLE = '42P01';

/** What is compared: an event is another one where its id is another, so `stream_seq`, which a resend changes, is left out. */
function hashOf(table: EventTable): string {
  const columns = COPY_COLUMNS[table].split(', ').filter((column) => column !== 'stream_seq');
  return `hashtextextended(row(${columns.join(', ')})::text, 0)`;
}

/**
 * Compares the candidate's tables with the live ones, day by day, up to a position that both contain. Each statement reads
 * one day of one table, so that no day is kept from being dropped for longer.
 *
 * @param upTo sequence of the log
 */
export async function compareDays(
  pool: Pool,
  tables: readonly EventTable[],
  upTo: number,
  pace: Pace,
  onProgress: (done: number, total: number) => void,
): Promise<DayComparison[]> {
  const due: { table: EventTable; day: number }[] = [];
  for (const table of tables) {
    const lists = [await listPartitions(pool, table, LIVE_SCHEMA), await listPartitions(pool, table, SHADOW_SCHEMA)];
    const days = new Set(lists.flat().map(({ day }) => day));
    for (const day of [...days].sort((a, b) => a - b)) due.push({ table, day });
  }
  const compared: DayComparison[] = [];
  for (const [index, { table, day }] of due.entries()) {
    const comparison = await pace.of(() => compareDay(pool, table, day, upTo));
    if (comparison.live.rows > 0 || comparison.rebuilt.rows > 0) compared.push(comparison);
    onProgress(index + 1, due.length);
  }
  return compared;
}

async function compareDay(pool: Pool, table: EventTable, day: number, upTo: number): Promise<DayComparison> {
  const [live, rebuilt] = [
    await sumDay(pool, table, day, upTo, LIVE_SCHEMA),
    await sumDay(pool, table, day, upTo, SHADOW_SCHEMA),
  ];
  const comparison = { table, day: new Date(day * DAY_MS).toISOString().slice(0, 10), live, rebuilt };
  if (live.rows === rebuilt.rows && live.checksum === rebuilt.checksum) return comparison;
  return { ...comparison, difference: await findDifference(pool, table, day, upTo) };
}

async function sumDay(pool: Pool, table: EventTable, day: number, upTo: number, schema: TableSchema): Promise<DaySum> {
  const [sum] = await ofPartition(pool, table, day, schema, (partition) =>
    longQuery<{ rows: string; checksum: string }>(
      pool,
      `select count(*) as rows, coalesce(sum(${hashOf(table)}), 0)::text as checksum
       from ${partition} where stream_seq <= $1`,
      [upTo],
    ),
  );
  return sum === undefined ? NO_ROWS : { rows: Number(sum.rows), checksum: sum.checksum };
}

/** A partition may be dropped, or be moved to another schema, between looking it up and reading it. */
async function ofPartition<T>(
  pool: Pool,
  table: EventTable,
  day: number,
  schema: TableSchema,
  read: (partition: string) => Promise<T[]>,
): Promise<T[]> {
  for (let isLast = false; ; isLast = true) {
    const partition = await findPartition(pool, table, day, schema);
    if (partition === undefined) return [];
    try {
      return await read(partition);
    } catch (error) {
      if (isLast || !(error instanceof DatabaseError && error.code === UNDEFINED_TABLE)) throw error;
    }
  }
}

async function findDifference(
  pool: Pool,
  table: EventTable,
  day: number,
  upTo: number,
): Promise<NonNullable<DayComparison['difference']>> {
  const [live, shadow] = [await sideOf(pool, table, day, LIVE_SCHEMA), await sideOf(pool, table, day, SHADOW_SCHEMA)];
  const joined = `from (${live}) as live full join (${shadow}) as shadow using (event_id)`;
  const kinds = {
    lost: 'shadow.hash is null',
    gained: 'live.hash is null',
    changed: 'live.hash <> shadow.hash',
  } as const;
  const ids = async (kind: keyof typeof kinds): Promise<Ids> => {
    const rows = await longQuery<{ event_id: string; n: string }>(
      pool,
      `select event_id, count(*) over () as n ${joined} where ${kinds[kind]} order by event_id limit ${IDS_TOLD}`,
      [upTo],
    );
    return { count: Number(rows[0]?.n ?? 0), first: rows.map(({ event_id: id }) => id) };
  };
  return { lost: await ids('lost'), gained: await ids('gained'), changed: await ids('changed') };
}

async function sideOf(pool: Pool, table: EventTable, day: number, schema: TableSchema): Promise<string> {
  const partition = await findPartition(pool, table, day, schema);
  if (partition === undefined) {
    return 'select null::varchar as event_id, null::bigint as hash where $1::bigint is null';
  }
  return `select event_id, ${hashOf(table)} as hash from ${partition} where stream_seq <= $1::bigint`;
}

/** Days whose rows are not the same, by table. */
export function differingDays(days: readonly DayComparison[]): readonly DayComparison[] {
  return days.filter(({ difference }) => difference !== undefined);
}

/** How many rows a swap would take away. */
export function lostRows(days: readonly DayComparison[]): number {
  return days.reduce((sum, { difference }) => sum + (difference?.lost.count ?? 0), 0);
}
