import { dayOf, type EventTable, TIME_COLUMNS } from '../../store/partitions.js';
import type { ComparedRow } from './canonical.js';
import type { SerialClient } from './serial-client.js';

const DAY_MS = 86_400_000;

/** A row of the log's fold whose id is looked for on a day. */
export interface Wanted {
  readonly row: ComparedRow;
  readonly day: number;
}

/** Rows of the fold whose id the table has, from a message before their own, or from one behind it. */
export interface FoundIds {
  readonly earlier: ReadonlySet<ComparedRow>;
  readonly later: ReadonlySet<ComparedRow>;
}

/**
 * Which of these have a row with their id in the table, on the day that is asked.
 *
 * @param wanted all of one table
 */
export async function findIds(client: SerialClient, table: EventTable, wanted: readonly Wanted[]): Promise<FoundIds> {
  const earlier = new Set<ComparedRow>();
  const later = new Set<ComparedRow>();
  const column = TIME_COLUMNS[table];
  for (const day of new Set(wanted.map((each) => each.day))) {
    const ofDay = wanted.filter((each) => each.day === day).map(({ row }) => row);
    const rows = await client.query<{ event_id: string; stream_seq: string }>(
      `select event_id, stream_seq from ${table} where ${column} >= $1 and ${column} < $2 and event_id = any($3)`,
      [new Date(day * DAY_MS), new Date((day + 1) * DAY_MS), ofDay.map(({ eventId }) => eventId)],
    );
    const sequences = new Map(rows.map((row) => [row.event_id, Number(row.stream_seq)]));
    for (const row of ofDay) {
      const sequence = sequences.get(row.eventId);
      if (sequence !== undefined) (sequence < row.sequence ? earlier : later).add(row);
    }
  }
  return { earlier, later };
}

/** Most rows that are remembered. Of those beyond it later resends are told as missing or extra rows of their own. */
const MAX_REMEMBERED = 100_000;

/** Rows of the fold that the table has not at their sequence, by table, day and id: later messages with that id are resends. */
export class RowsById {
  readonly #rows = new Map<string, ComparedRow>();

  /** @returns false where no more are remembered */
  add(row: ComparedRow): boolean {
    if (this.#rows.size >= MAX_REMEMBERED) return false;
    this.#rows.set(keyOf(row, dayOf(row.timeMs)), row);
    return true;
  }

  /** Whether one with the id of this row is there on a day. */
  has(row: ComparedRow, day: number): boolean {
    return this.#rows.size > 0 && this.#rows.has(keyOf(row, day));
  }

  /** Takes out the one with the id of this row, on the day of this row. */
  take(row: ComparedRow): ComparedRow | undefined {
    if (this.#rows.size === 0) return undefined;
    const key = keyOf(row, dayOf(row.timeMs));
    const found = this.#rows.get(key);
    this.#rows.delete(key);
    return found;
  }

  /** Takes out all. */
  takeAll(): ComparedRow[] {
    const all = [...this.#rows.values()];
    this.#rows.clear();
    return all;
  }
}

function keyOf({ table, eventId }: ComparedRow, day: number): string {
  return `${table} ${day} ${eventId}`;
}
