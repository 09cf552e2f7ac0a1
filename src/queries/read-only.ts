import type { Pool, PoolClient } from 'pg';
import { KEEP_TABLES } from '../store/partitions.js';
import { inTransaction } from '../store/postgres.js';
import type { AnswerRest } from './answer-cache.js';

/** Longer than any answer is waited for, so that a statement does not outlive its question by much. */
const STATEMENT_TIMEOUT_MS = 15_000;

/**
 * Rest between two counts of the same in the tables: pages that ask again and again take no more than a fifth of one
 * connection's time from the projector.
 */
export const TABLES_REST: AnswerRest = { factor: 4, maxMs: 10_000 };

/** Runs the statements of one answer on one snapshot, bounded in time. */
export function readOnly<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  return inTransaction(
    pool,
    work,
    `begin isolation level repeatable read read only; set local statement_timeout = ${STATEMENT_TIMEOUT_MS}; ${KEEP_TABLES}`,
  );
}
