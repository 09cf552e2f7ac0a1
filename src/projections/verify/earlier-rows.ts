import { dayOf, type EventTable, TIME_COLUMNS } from '../../store/partitions.js';
import type { ComparedRow } from './canonical.js';
import type { SerialClient } from './serial-client.js';

const DAY_MS = 86_400_000;

/** A row of the log's fold whose id is looked for on a day. */
export interface Wanted {
  readonly row: ComparedRow;
  readonly day: number;
}

/**
 * Which of these have a row with their id in the table, on the day that is asked, from a message before their own.
 *
 * @param wanted all of one table
 */
export async function findEarlier(
  client: SerialClient,
  table: EventTable,
  wanted: readonly Wanted[],
): Promise<Set<ComparedRow>> {
  const found = new Set<ComparedRow>();
  const column = TIME_COLUMNS[table];
  for (const day of new Set(wanted.map((each) => each.day))) {
    const ofDay = wanted.filter((each) => each.day === day).map(({ row }) => row);
    const rows = await client.query<{ event_id: string; stream_seq: string }>(
      `select event_id, stream_seq from ${table} where ${column} >= $1 and ${column} < $2 and event_id = any($3)`,
      [new Date(day * DAY_MS), new Date((day + 1) * DAY_MS), ofDay.map(({ eventId }) => eventId)],
    );
    const sequences = new Map(rows.map((row) => [row.event_id, Number(row.stream_seq)]));
    for (const row of ofDay) {
      if ((sequences.get(row.eventId) ?? Number.POSITIVE_INFINITY) < row.sequence) found.add(row);
    }
  }
  return found;
}

/** Most missing rows whose later resends are told from missing rows of their own. */
const MAX_REMEMBERED = 100_000;

/** Rows that the table should have and has not: a later message with the same id would have been left out for them. */
export class MissingRows {
  readonly #keys = new Set<string>();

  add(row: ComparedRow): void {
    if (this.#keys.size < MAX_REMEMBERED) this.#keys.add(keyOf(row, dayOf(row.timeMs)));
  }

  /** Whether one with the id of this row is missing on a day. */
  has(row: ComparedRow, day: number): boolean {
    return this.#keys.size > 0 && this.#keys.has(keyOf(row, day));
  }
}

function keyOf({ table, eventId }: ComparedRow, day: number): string {
  return `${table} ${day} ${eventId}`;
}
