import { EVENT_TYPES, MAX_FEATURE_CHARACTERS } from '../store/summary-schema.js';

/**
 * What the summaries need to know of one row, whether it comes from the log or is read back from Postgres.
 */
export type Fact =
  | {
      readonly kind: 'user';
      readonly timeMs: number;
      readonly eventType: string;
      readonly userId: number | null;
      /** Name of the feature, of a `feature_used` event. */
      readonly feature: string | null;
    }
  | {
      readonly kind: 'system';
      readonly timeMs: number;
      readonly sequence: number;
      readonly serviceName: string;
      readonly metricName: string;
      readonly value: number;
    }
  | {
      readonly kind: 'api';
      readonly timeMs: number;
      readonly serviceName: string;
      readonly method: string;
      readonly route: string;
      readonly statusCode: number;
      /** Whole microseconds. */
      readonly responseTimeUs: number | null;
      readonly requestBytes: number | null;
      readonly responseBytes: number | null;
    };

/** The feature that a `feature_used` event names in `metadata.feature`; null where it names none. */
export function featureOf(
  eventType: string,
  metadata: Readonly<Record<string, unknown>> | null | undefined,
): string | null {
  if (eventType !== EVENT_TYPES.featureUsed) return null;
  const feature = metadata?.feature;
  if (typeof feature !== 'string' || feature === '') return null;
  // Counted as Postgres counts characters, where a pair of surrogates is one.
  return [...feature].length <= MAX_FEATURE_CHARACTERS ? feature : null;
}

/** Milliseconds as whole microseconds, the unit in which sums are exact. */
export function microseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1000);
}
