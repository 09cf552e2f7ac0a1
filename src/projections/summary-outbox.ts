import type { Pool } from 'pg';
import type { SummaryWriter } from './summary-writer.js';

const DELTAS_PER_READ = 20;

/** What a batch of the projector adds to the summaries; each begins where the one before ended. */
export interface OutboxDelta {
  readonly from: string;
  readonly to: string;
  /** JSON; it goes on to Redis as it is. */
  readonly delta: string;
}

/** The next few deltas from a position on; the first may begin behind it. */
export async function readDeltas(pool: Pool, position: string): Promise<readonly OutboxDelta[]> {
  const { rows } = await pool.query<OutboxDelta>(
    `select from_sequence as from, to_sequence as to, delta::text as delta from summary_outbox
     where from_sequence >= $1 order by from_sequence limit ${DELTAS_PER_READ}`,
    [position],
  );
  return rows;
}

/** Whether there may be more than was read. */
export function mayHaveMore(deltas: readonly OutboxDelta[]): boolean {
  return deltas.length === DELTAS_PER_READ;
}

/**
 * Adds all that follows a position to a generation, as far as the deltas connect.
 *
 * @returns the position that it has reached
 * @throws SummariesFenced, what Postgres and Redis say
 */
export async function applyFollowing(
  pool: Pool,
  writer: SummaryWriter,
  generation: string,
  position: string,
  keptSeconds: number,
): Promise<string> {
  let at = position;
  for (;;) {
    const deltas = await readDeltas(pool, at);
    for (const delta of deltas) {
      if (delta.from !== at) return at;
      const reached = await writer.apply(generation, delta, keptSeconds);
      if (reached !== delta.to) return at;
      at = delta.to;
    }
    if (!mayHaveMore(deltas)) return at;
  }
}
