import type { Redis } from 'ioredis';
import { CURRENT_KEY, generationPrefix } from './summary-schema.js';

/** Which generation of the summaries is read, and how far it goes. */
export interface SummaryPosition {
  readonly generation: string;
  /** A stream sequence, or a step of a rebuild. */
  readonly position: string;
  /** Identifies the mapping of event types to business numbers, and the retention, that it was folded with. */
  readonly business: string;
  /** Generation of the tables that it was folded of; undefined where an earlier version of the service built it. */
  readonly tables: string | undefined;
}

/** Reads the position; undefined where Redis was emptied or never filled. @throws what Redis says */
export async function readPosition(redis: Redis): Promise<SummaryPosition | undefined> {
  const generation = await redis.get(CURRENT_KEY);
  if (generation === null) return undefined;
  const [position, business, tables] = await redis.hmget(
    `${generationPrefix(generation)}meta`,
    'sequence',
    'business',
    'tables',
  );
  if (typeof position !== 'string') return undefined;
  return { generation, position, business: business ?? '', tables: tables ?? undefined };
}
