import type { QueryArrayConfig } from 'pg';
import { type EventTable, TIME_COLUMNS } from '../../store/partitions.js';
import { type Cells, COMPARED_COLUMNS, type ComparedRow, fromCells } from './canonical.js';
import type { SerialClient } from './serial-client.js';

/** Rows of a table that are held at a time; as many are on their way. */
const ROWS_PER_FETCH = 4_000;
/** The first rows come when all are sorted. */
const FETCH_TIMEOUT_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Text as Postgres wrote it: what a column's value means is decided in one place, `fromCells`. */
const AS_TEXT = { getTypeParser: () => (text: string) => text };

/** Days, as `dayOf` counts them; both ends are included, and may be infinite. */
export interface DayRange {
  readonly first: number;
  readonly last: number;
}

/** Reads the rows of a table in the order of the log, within the transaction of a session. */
export class RowCursor {
  #rows: ComparedRow[] = [];
  #next = 0;
  #fetching: Promise<ComparedRow[]>;
  #isDone = false;

  private constructor(
    private readonly client: SerialClient,
    readonly table: EventTable,
  ) {
    this.#fetching = this.#ahead();
  }

  /** @param range the days that are read */
  static async open(client: SerialClient, table: EventTable, range: DayRange): Promise<RowCursor> {
    await client.query(
      `declare verify_${table} no scroll cursor for
       select ${COMPARED_COLUMNS[table]} from ${table} ${within(range, TIME_COLUMNS[table])} order by stream_seq`,
    );
    return new RowCursor(client, table);
  }

  /** The next rows up to a sequence, at most as many as are held; empty where there are no more. */
  async take(toSequence: number): Promise<readonly ComparedRow[]> {
    if (this.#next === this.#rows.length && !this.#isDone) await this.#refill();
    const start = this.#next;
    while ((this.#rows[this.#next]?.sequence ?? Number.POSITIVE_INFINITY) <= toSequence) this.#next += 1;
    return this.#rows.slice(start, this.#next);
  }

  async #refill(): Promise<void> {
    this.#rows = await this.#fetching;
    this.#next = 0;
    this.#isDone = this.#rows.length === 0;
    if (!this.#isDone) this.#fetching = this.#ahead();
  }

  /** Fetches while those before are worked on. */
  #ahead(): Promise<ComparedRow[]> {
    const fetching = this.#fetch();
    // Taken up in `take`; until then Node must not call it unhandled.
    fetching.catch(() => undefined);
    return fetching;
  }

  async #fetch(): Promise<ComparedRow[]> {
    const fetch: QueryArrayConfig & { readonly query_timeout: number } = {
      text: `fetch ${ROWS_PER_FETCH} from verify_${this.table}`,
      rowMode: 'array',
      types: AS_TEXT,
      query_timeout: FETCH_TIMEOUT_MS,
    };
    const rows = await this.client.queryArrays<(string | null)[]>(fetch);
    return rows.map((cells: Cells) => fromCells(this.table, cells));
  }
}

function within({ first, last }: DayRange, column: string): string {
  const iso = (day: number): string => `'${new Date(day * DAY_MS).toISOString()}'`;
  const bounds = [
    ...(Number.isFinite(first) ? [`${column} >= ${iso(first)}`] : []),
    ...(Number.isFinite(last) ? [`${column} < ${iso(last + 1)}`] : []),
  ];
  return bounds.length === 0 ? '' : `where ${bounds.join(' and ')}`;
}
