import { withoutAddresses } from '../../events/addresses.js';
import type { LogEvent } from '../../events/kinds.js';
import { dayOf, EVENT_TABLES, type EventTable } from '../../store/partitions.js';
import type { Fact } from '../facts.js';
import { toRow } from '../rows.js';
import { type ComparedRow, fromEvent } from './canonical.js';
import { hashText } from './checksum.js';
import { type FoundIds, findIds, RowsById, type Wanted } from './earlier-rows.js';
import { type LogChunk, type LogStart, MAX_AHEAD_OF_LOG_MS } from './log-source.js';
import type { DayRange, RowCursor } from './row-cursor.js';
import type { SerialClient } from './serial-client.js';
import { Tally } from './tally.js';

export interface ComparisonOptions {
  readonly routeOf: (endpoint: string) => string;
  /** Days that are compared; rows of others are taken as they are. */
  readonly days: DayRange;
  /** Where the log begins by now. */
  readonly logStart: () => Promise<LogStart>;
}

/** A row's share of the summaries. */
export interface FactAt {
  readonly fact: Fact;
  readonly sequence: number;
}

/** What was read of the log and passed over. */
export interface Counts {
  /** Events whose id was in the table already. */
  duplicates: number;
  /** Rows whose messages have left the log. */
  beforeLog: number;
  /** Rows of days that are not compared: their retention is over. */
  pastRetention: number;
  /** Changed rows that are as the log says but for IP addresses. */
  otherAddresses: number;
}

/** A row as the log has it, with what decides whether it is a resend. */
interface Expected extends ComparedRow {
  readonly timeFromLog: boolean;
}

interface Merged {
  /** Events of the log in its order, each with the row that is at its sequence and has its id. */
  readonly events: (readonly [expected: Expected, found: ComparedRow | undefined])[];
  /** Rows of no event. */
  readonly foreign: ComparedRow[];
}

/**
 * Compares the fold of the log with the tables, by a merge in the order of the log: at each sequence there is an event, or a
 * row, or both. An event without a row is a resend of one before it, or its row is missing.
 */
export class TableComparison {
  readonly tally = new Tally();
  readonly counts: Counts = { duplicates: 0, beforeLog: 0, pastRetention: 0, otherAddresses: 0 };
  readonly #missing = new RowsById();
  /** Events that were refused when they came, and brought in later (`deadletters replay`): their row is of that message. */
  readonly #broughtIn = new RowsById();

  constructor(
    private readonly client: SerialClient,
    private readonly cursors: Readonly<Record<EventTable, RowCursor>>,
    private readonly options: ComparisonOptions,
  ) {}

  /** Takes the next stretch of the log. @returns what the rows up to its end should add to the summaries */
  async take(chunk: LogChunk): Promise<FactAt[]> {
    const facts: FactAt[] = [];
    const expected = this.#expectedRows(chunk.events);
    for (const table of EVENT_TABLES) {
      const ofTable = expected.filter((row) => row.table === table);
      await this.#compare(table, ofTable, chunk.lastSequence, facts);
    }
    return facts;
  }

  /** The log is over: rows of later sequences are of no event. */
  async finish(): Promise<FactAt[]> {
    const facts = await this.take({ events: [], refused: 0, lastSequence: Number.MAX_SAFE_INTEGER });
    for (const event of this.#broughtIn.takeAll()) {
      this.#missingRow(event);
      facts.push(event);
    }
    return facts;
  }

  #expectedRows(events: readonly LogEvent[]): Expected[] {
    const { days, routeOf } = this.options;
    return events.flatMap((event) => {
      if (!isWithin(days, event.occurredAtMs)) return [];
      return [{ ...fromEvent(event, toRow(event, routeOf)), timeFromLog: event.timeFromLog }];
    });
  }

  /** Merges a stretch of one table's rows with the events of that table. */
  async #compare(table: EventTable, expected: readonly Expected[], to: number, facts: FactAt[]): Promise<void> {
    let next = 0;
    for (;;) {
      const found = await this.cursors[table].take(to);
      const merged: Merged = { events: [], foreign: [] };
      const passTo = (sequence: number): void => {
        for (let event = expected[next]; event !== undefined && event.sequence < sequence; event = expected[next]) {
          merged.events.push([event, undefined]);
          next += 1;
        }
      };
      for (const row of found) {
        if (!isWithin(this.options.days, row.timeMs)) {
          this.counts.pastRetention += 1;
          facts.push(row);
          continue;
        }
        passTo(row.sequence);
        const event = expected[next];
        if (event?.sequence === row.sequence && event.eventId === row.eventId) {
          merged.events.push([event, row]);
          next += 1;
        } else merged.foreign.push(row);
      }
      if (found.length === 0) passTo(Number.POSITIVE_INFINITY);
      const known = await this.#findIds(table, merged.events);
      for (const [event, row] of merged.events) this.#judge(event, row, known, facts);
      await this.#judgeForeign(merged.foreign, facts);
      if (found.length === 0) return;
    }
  }

  /** Which of these the projector left out, because the table had their id when they came (src/projections/write-batch.ts). */
  async #findIds(table: EventTable, events: Merged['events']): Promise<FoundIds> {
    const wanted: Wanted[] = [];
    for (const [row, found] of events) {
      const day = dayOf(row.timeMs);
      // On its own day the index has seen to it.
      if (found === undefined) wanted.push({ row, day });
      if (row.timeFromLog) wanted.push({ row, day: day - 1 });
    }
    return wanted.length === 0 ? NONE : await findIds(this.client, table, wanted);
  }

  #judge(event: Expected, found: ComparedRow | undefined, known: FoundIds, facts: FactAt[]): void {
    const first = found === undefined ? undefined : this.#broughtIn.take(event);
    if (first !== undefined && found !== undefined) {
      this.counts.duplicates += 1;
      facts.push(first);
      this.#compareRow(first, found);
    } else if (known.earlier.has(event) || this.#isAwaited(event)) {
      if (found === undefined) this.counts.duplicates += 1;
      else this.#extra(found);
    } else if (found === undefined && known.later.has(event) && this.#broughtIn.add(event)) {
      // Judged when its row comes, or when the log is over.
    } else {
      facts.push(event);
      if (found === undefined) this.#missingRow(event);
      else this.#compareRow(event, found);
    }
  }

  /** Whether an event before it, of which the row is not there or not yet, keeps this one out. */
  #isAwaited(event: Expected): boolean {
    const day = dayOf(event.timeMs);
    const days = event.timeFromLog ? [day, day - 1] : [day];
    return days.some((each) => this.#missing.has(event, each) || this.#broughtIn.has(event, each));
  }

  #compareRow({ table, eventId, timeMs, canonical }: ComparedRow, found: ComparedRow): void {
    const day = dayOf(timeMs);
    const hash = hashText(canonical);
    if (canonical === found.canonical) this.tally.match(table, day, hash);
    else {
      this.tally.expect(table, day, hash);
      this.tally.find(table, dayOf(found.timeMs), hashText(found.canonical));
      this.tally.differ('changed', table, day, eventId);
      if (withoutAddresses(canonical) === withoutAddresses(found.canonical)) this.counts.otherAddresses += 1;
    }
  }

  #missingRow(event: ComparedRow): void {
    const { table, eventId, canonical } = event;
    const day = dayOf(event.timeMs);
    this.#missing.add(event);
    this.tally.expect(table, day, hashText(canonical));
    this.tally.differ('missing', table, day, eventId);
  }

  #extra(row: ComparedRow): void {
    const day = dayOf(row.timeMs);
    this.tally.find(row.table, day, hashText(row.canonical));
    this.tally.differ('extra', row.table, day, row.eventId);
  }

  /** Rows of no event: their message has left the log, or they are not the projector's. */
  async #judgeForeign(rows: readonly ComparedRow[], facts: FactAt[]): Promise<void> {
    if (rows.length === 0) return;
    // Asked anew, because the log loses its beginning while it is read.
    const start = await this.options.logStart();
    for (const row of rows) {
      if (isBefore(row, start)) {
        this.counts.beforeLog += 1;
        facts.push(row);
      } else this.#extra(row);
    }
  }
}

const NONE: FoundIds = { earlier: new Set(), later: new Set() };

function isWithin({ first, last }: DayRange, timeMs: number): boolean {
  const day = dayOf(timeMs);
  return day >= first && day <= last;
}

/** Whether the row can be of a message that was stored before the first that is still there. */
function isBefore({ sequence, timeMs }: ComparedRow, start: LogStart): boolean {
  if (sequence <= 0 || sequence >= start.sequence) return false;
  return start.storedAtMs === undefined || timeMs <= start.storedAtMs + MAX_AHEAD_OF_LOG_MS;
}
