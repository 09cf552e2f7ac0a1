import { EVENT_TABLES, type EventTable, isoDate } from '../../store/partitions.js';
import { Checksum, type RowHash } from './checksum.js';

/** Event ids named of each sort, table and day. */
const NAMED_IDS = 10;

export type DifferenceSort = 'missing' | 'extra' | 'changed';

/** Rows that differ in one way: how many, and the first of them in the order of the log. */
export interface Differing {
  readonly count: number;
  readonly ids: readonly string[];
}

export interface CountAndChecksum {
  readonly count: number;
  /** Sixteen hexadecimal digits, the same for the same rows in any order. */
  readonly checksum: string;
}

/** One day (UTC) of one table. */
export interface DayReport {
  readonly day: string;
  /** As the fold of the log has it. */
  readonly expected: CountAndChecksum;
  /** As the table has it. */
  readonly found: CountAndChecksum;
  /** In the log, but not in the table. */
  readonly missing: Differing;
  /** In the table, but not by the log. */
  readonly extra: Differing;
  /** In both, with other values. */
  readonly changed: Differing;
}

export interface TableReport {
  readonly table: EventTable;
  readonly days: readonly DayReport[];
}

interface DayTally {
  readonly expected: Checksum;
  readonly found: Checksum;
  readonly differing: Readonly<Record<DifferenceSort, { count: number; readonly ids: string[] }>>;
}

/** Adds up, for each table and day, what the log says and what the table holds. As large as there are days. */
export class Tally {
  readonly #days = new Map<string, DayTally>();

  expect(table: EventTable, day: number, hash: RowHash): void {
    this.#of(table, day).expected.add(hash);
  }

  find(table: EventTable, day: number, hash: RowHash): void {
    this.#of(table, day).found.add(hash);
  }

  /** The same row on both sides. */
  match(table: EventTable, day: number, hash: RowHash): void {
    const tally = this.#of(table, day);
    tally.expected.add(hash);
    tally.found.add(hash);
  }

  differ(sort: DifferenceSort, table: EventTable, day: number, eventId: string): void {
    const differing = this.#of(table, day).differing[sort];
    differing.count += 1;
    if (differing.ids.length < NAMED_IDS) differing.ids.push(eventId);
  }

  /** By table, and by day. */
  report(): TableReport[] {
    return EVENT_TABLES.map((table) => ({
      table,
      days: [...this.#days]
        .filter(([key]) => key.startsWith(`${table} `))
        .map(([key, { expected, found, differing }]) => ({
          day: isoDate(Number(key.slice(table.length + 1))),
          expected: { count: expected.count, checksum: expected.toString() },
          found: { count: found.count, checksum: found.toString() },
          ...differing,
        }))
        .sort((one, other) => (one.day < other.day ? -1 : 1)),
    }));
  }

  #of(table: EventTable, day: number): DayTally {
    const key = `${table} ${day}`;
    const known = this.#days.get(key);
    if (known !== undefined) return known;
    const nothing = () => ({ count: 0, ids: [] });
    const differing = { missing: nothing(), extra: nothing(), changed: nothing() };
    const made = { expected: new Checksum(), found: new Checksum(), differing };
    this.#days.set(key, made);
    return made;
  }
}

/** Whether the table holds, on this day, what the log says. */
export function isEqualDay({ expected, found, missing, extra, changed }: DayReport): boolean {
  const isEqual = expected.count === found.count && expected.checksum === found.checksum;
  return isEqual && missing.count + extra.count + changed.count === 0;
}
