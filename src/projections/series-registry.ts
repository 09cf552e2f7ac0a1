import { OTHER, PART, SERIES_LIMITS, type SeriesKind, statusClass } from '../store/summary-schema.js';

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
    http_route: new Set(),
    http_method: new Set(),
    http_rest: new Set(),
    http_status: new Set(),
    gauge: new Set(),
  };
  /** Service and endpoint of what is known as `http_route`. */
  readonly #endpoints = new Set<string>();
  #fresh: AdmittedSeries[] = [];

  constructor(admitted: Iterable<Pick<AdmittedSeries, 'kind' | 'key'>>) {
    for (const { kind, key } of admitted) this.#add(kind, key);
  }

  #add(kind: SeriesKind, key: string): void {
    this.#known[kind].add(key);
    if (kind === 'http_route') this.#endpoints.add(withoutMethod(key));
  }

  /** The key itself where it has, or now gets, a series of its own; else undefined. */
  admit(kind: SeriesKind, key: string, sequence: number): string | undefined {
    const known = this.#known[kind];
    if (known.has(key)) return key;
    if (known.size >= SERIES_LIMITS[kind]) return undefined;
    this.#add(kind, key);
    this.#fresh.push({ kind, key, sequence });
    return key;
  }

  /** The key, or `other`. */
  label(kind: SeriesKind, key: string, sequence: number): string {
    return this.admit(kind, key, sequence) ?? OTHER;
  }

  /** Service, method and endpoint that a request counts for; see SERIES_LIMITS. */
  httpSeries(service: string, method: string, route: string, sequence: number): string {
    const serviceMethod = `${service}${PART}${method}`;
    const key = `${serviceMethod}${PART}${route}`;
    const isFurther = !this.#known.http_route.has(key) && this.#endpoints.has(withoutMethod(key));
    const own = this.admit(isFurther ? 'http_method' : 'http_route', key, sequence);
    if (own !== undefined) return own;
    const rest = this.admit('http_rest', serviceMethod, sequence) ?? `${OTHER}${PART}${method}`;
    return `${rest}${PART}${OTHER}`;
  }

  /** The same with the status. */
  httpStatus(series: string, statusCode: number, sequence: number): string {
    const own = this.admit('http_status', `${series}${PART}${statusCode}`, sequence);
    return own ?? `${series}${PART}${statusClass(statusCode)}`;
  }

  /** What was admitted since the last call; it is stored with the batch. */
  takeFresh(): readonly AdmittedSeries[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }
}

function withoutMethod(series: string): string {
  const [service = '', , route = ''] = series.split(PART);
  return `${service}${PART}${route}`;
}
