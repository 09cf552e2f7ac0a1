import type { EventBody } from '../src/events/kinds.js';
import { RealisticEvents } from './realistic-events.js';

export const EVENTS_PER_BATCH = 1_000;
/** Without ids, so that a batch may be sent again and again, and each is of new events. */
const BATCHES = 8;

/** Always the same batches of mixed events. */
export function batchEvents(): readonly (readonly EventBody[])[] {
  const events = new RealisticEvents(1);
  return Array.from({ length: BATCHES }, () => Array.from({ length: EVENTS_PER_BATCH }, () => events.body()));
}
