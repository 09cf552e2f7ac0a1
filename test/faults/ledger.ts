import type { Pool } from 'pg';
import type { EventTable } from '../../src/store/partitions.js';
import { EVENT_TABLES } from '../../src/store/partitions.js';

type Outcome = 'unknown' | 'acknowledged';

/** What the log's promise was broken by; empty lists mean that it was kept. */
export interface AuditReport {
  readonly acknowledged: number;
  readonly unknown: number;
  readonly rows: number;
  /** Acknowledged, but in no table. */
  readonly missing: readonly string[];
  /** In its table more than once. */
  readonly doubled: readonly string[];
  /** In a table, but never sent, or sent as another kind. */
  readonly foreign: readonly string[];
}

/**
 * The auditor's own book of what it sent, kept apart from everything that is audited. An event is entered before it is
 * sent, and marked when a 202 or a PubAck for it has arrived.
 */
export class Ledger {
  readonly #entries = new Map<string, { readonly table: EventTable; outcome: Outcome }>();

  enter(id: string, table: EventTable): void {
    if (this.#entries.has(id)) throw new Error(`${id} was entered before`);
    this.#entries.set(id, { table, outcome: 'unknown' });
  }

  acknowledge(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new Error(`${id} was never entered`);
    entry.outcome = 'acknowledged';
  }

  /** Events that are to go, by what a test does. */
  forget(ids: RegExp): void {
    for (const id of this.#entries.keys()) if (ids.test(id)) this.#entries.delete(id);
  }

  get size(): number {
    return this.#entries.size;
  }

  get acknowledged(): number {
    return [...this.#entries.values()].filter(({ outcome }) => outcome === 'acknowledged').length;
  }

  /** Compares the tables with the book. */
  async audit(pool: Pool): Promise<AuditReport> {
    const found = new Set<string>();
    const doubled: string[] = [];
    const foreign: string[] = [];
    let total = 0;
    for (const table of EVENT_TABLES) {
      const { rows } = await pool.query<{ event_id: string; count: string }>(
        `select event_id, count(*) from ${table} group by event_id`,
      );
      for (const { event_id: id, count } of rows) {
        total += Number(count);
        if (Number(count) > 1 || found.has(id)) doubled.push(id);
        if (this.#entries.get(id)?.table !== table) foreign.push(id);
        found.add(id);
      }
    }
    const missing = [...this.#entries].flatMap(([id, { outcome }]) =>
      outcome === 'acknowledged' && !found.has(id) ? [id] : [],
    );
    const acknowledged = this.acknowledged;
    return { acknowledged, unknown: this.size - acknowledged, rows: total, missing, doubled, foreign };
  }
}
