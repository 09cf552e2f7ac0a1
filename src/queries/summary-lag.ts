import type { Pool } from 'pg';
import { QueryUnavailable, within } from './unavailable.js';

/** A delta that has waited in the outbox for so long shows that Redis is no longer written to. */
const MAX_LAG_SECONDS = 5;
/** A verdict that is older is renewed beside the query that finds it so. */
const RENEW_MS = 1_000;
/** A verdict that is older than this is not trusted; the query waits for a new one. */
const MAX_VERDICT_AGE_MS = 5_000;
const WAIT_MS = 500;

/**
 * Tells whether the summaries in Redis have fallen behind the tables. A Redis that is full or has become a replica
 * still answers reads, from what it held when writing stopped.
 */
export class SummaryLag {
  #behind = false;
  #checkedAtMs = Number.NEGATIVE_INFINITY;
  #checking: Promise<void> | undefined;

  constructor(
    private readonly pool: Pool,
    private readonly now: () => number,
  ) {}

  /** @param sequence the log position that the summaries contain */
  async isBehind(sequence: string): Promise<boolean> {
    const ageMs = this.now() - this.#checkedAtMs;
    if (ageMs > RENEW_MS) this.#checking ??= this.#check(sequence);
    if (ageMs > MAX_VERDICT_AGE_MS) await this.#checking;
    return this.#behind;
  }

  /** Where Postgres is away nothing new is committed, so Redis is as good as it was. */
  async #check(sequence: string): Promise<void> {
    try {
      const late = (): Error => new QueryUnavailable('The outbox cannot be read in time');
      this.#behind = await within(WAIT_MS, this.#hasWaitingDelta(sequence), late);
    } catch {
      this.#behind = false;
    } finally {
      this.#checkedAtMs = this.now();
      this.#checking = undefined;
    }
  }

  async #hasWaitingDelta(sequence: string): Promise<boolean> {
    const { rows } = await this.pool.query<{ waiting: boolean }>(
      `select exists (
         select from summary_outbox
         where from_sequence >= $1 and created_at < now() - make_interval(secs => $2)
       ) as waiting`,
      [sequence, MAX_LAG_SECONDS],
    );
    return rows[0]?.waiting === true;
  }
}
