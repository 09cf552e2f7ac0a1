/**
 * Where a process dies. Rows, checkpoint and the outbox are one transaction, so between commit and outbox there is nothing
 * to die in; `after_commit` is the first moment after both.
 */
export const DYING_POINTS = ['before_commit', 'after_commit', 'before_ack', 'before_redis', 'after_redis'] as const;
export type DyingPoint = (typeof DYING_POINTS)[number];
