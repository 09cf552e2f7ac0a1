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
  /** The text of known series by their parts: it is asked for with every event, and made once. */
  readonly #http = new Map<string, Map<string, Map<string, string>>>();
  readonly #statuses = new Map<string, Map<number, string>>();
  readonly #gauges = new Map<string, Map<string, string>>();

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
    const known = this.#http.get(service)?.get(method)?.get(route);
    if (known !== undefined) return known;
    const serviceMethod = `${service}${PART}${method}`;
    const key = `${serviceMethod}${PART}${route}`;
    const isFurther = !this.#known.http_route.has(key) && this.#endpoints.has(withoutMethod(key));
    const own = this.admit(isFurther ? 'http_method' : 'http_route', key, sequence);
    if (own !== undefined) {
      under(under(this.#http, service), method).set(route, own);
      return own;
    }
    const rest = this.admit('http_rest', serviceMethod, sequence) ?? `${OTHER}${PART}${method}`;
    return `${rest}${PART}${OTHER}`;
  }

  /** The status that a request of a series counts for: its own, or the class of it. */
  httpStatus(series: string, statusCode: number, sequence: number): string {
    const known = this.#statuses.get(series)?.get(statusCode);
    if (known !== undefined) return known;
    const own = this.admit('http_status', `${series}${PART}${statusCode}`, sequence);
    if (own === undefined) return statusClass(statusCode);
    const status = String(statusCode);
    under(this.#statuses, series).set(statusCode, status);
    return status;
  }

  /** A measurement's series; undefined beyond the limit. */
  gauge(service: string, metric: string, sequence: number): string | undefined {
    const known = this.#gauges.get(service)?.get(metric);
    if (known !== undefined) return known;
    const own = this.admit('gauge', `${service}${PART}${metric}`, sequence);
    if (own !== undefined) under(this.#gauges, service).set(metric, own);
    return own;
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

/** The map under a key; an empty one at first. */
function under<K, V>(maps: Map<string, Map<K, V>>, key: string): Map<K, V> {
  const found = maps.get(key);
  if (found !== undefined) return found;
  const made = new Map<K, V>();
  maps.set(key, made);
  return made;
}
