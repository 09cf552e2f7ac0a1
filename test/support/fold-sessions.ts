import type { Pool } from 'pg';
import { foldSessions } from '../../src/projections/fold-sessions.js';
import { beginEpoch, readCheckpoint, SESSIONS_PROJECTION, TABLES_PROJECTION } from '../../src/store/checkpoints.js';

/** Brings the sessions up to the tables, as their worker does. */
export async function foldAllSessions(pool: Pool): Promise<void> {
  const stream = (await readCheckpoint(pool, TABLES_PROJECTION))?.streamCreatedAt ?? '';
  const { epoch } = await beginEpoch(pool, SESSIONS_PROJECTION, 'test', stream);
  for (;;) {
    const step = await foldSessions(pool, epoch);
    if (step.kind === 'fenced') throw new Error('Another process folds the sessions');
    if (step.kind === 'idle') return;
  }
}
