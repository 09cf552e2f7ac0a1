import { OTHER, SERIES_LIMITS, type SeriesKind } from '../store/summary-schema.js';

/** A name that got a series of its own, and the log position at which it did. */
export interface AdmittedSeries {
  readonly kind: SeriesKind;
  readonly key: string;
  readonly sequence: number;
}

/**
 * Which names get a series of their own, first come, first served in the order of the log, up to a limit for each
 * kind; all others count as `other`. Without it a million distinct endpoints would be a million series in Redis and
 * in Prometheus.
 *
 * What is admitted is kept in Postgres with the batch that admitted it, so that a counter never moves from its own
 * series to `other` or back, whatever is rebuilt.
 */
export class SeriesRegistry {
  readonly #known: Readonly<Record<SeriesKind, Set<string>>> = {
    service: new Set(),
    event_type: new Set(),
    feature: new Set(),
    endpoint: new Set(),
    gauge: new Set(),
  };
  #fresh: AdmittedSeries[] = [];

  constructor(admitted: Iterable<Pick<AdmittedSeries, 'kind' | 'key'>>) {
    for (const { kind, key } of admitted) this.#known[kind].add(key);
  }

  /** The key itself where it has, or now gets, a series of its own; else undefined. */
  admit(kind: SeriesKind, key: string, sequence: number): string | undefined {
    const known = this.#known[kind];
    if (known.has(key)) return key;
    if (known.size >= SERIES_LIMITS[kind]) return undefined;
    known.add(key);
    this.#fresh.push({ kind, key, sequence });
    return key;
  }

  /** The key, or `other`. */
  label(kind: SeriesKind, key: string, sequence: number): string {
    return this.admit(kind, key, sequence) ?? OTHER;
  }

  /** What was admitted since the last call; it is stored with the batch. */
  takeFresh(): readonly AdmittedSeries[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }
}
