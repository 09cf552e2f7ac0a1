import { createHash } from 'node:crypto';
import { SUMMARY_FORMAT } from '../store/summary-schema.js';
import type { BusinessTypes } from './summary-delta.js';

/** Identifies what summaries depend on beside the tables; those of another identity are built anew. */
export function settingsHash(business: BusinessTypes, retentionDays: number): string {
  return createHash('sha256')
    .update(JSON.stringify([SUMMARY_FORMAT, business, retentionDays]))
    .digest('hex')
    .slice(0, 16);
}
