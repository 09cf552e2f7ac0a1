import type { Pool, PoolClient } from 'pg';
import { inTransaction } from '../store/postgres.js';

/** Longer than any answer is waited for, so that a statement does not outlive its question by much. */
const STATEMENT_TIMEOUT_MS = 15_000;

/** Runs the statements of one answer on one snapshot, bounded in time. */
export function readOnly<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  return inTransaction(
    pool,
    work,
    `begin isolation level repeatable read read only; set local statement_timeout = ${STATEMENT_TIMEOUT_MS}`,
  );
}
