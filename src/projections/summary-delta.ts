import { BUCKET_BOUNDS, bucketOf } from '../store/log-buckets.js';
import {
  BUSINESS_COUNTS,
  type BusinessTypes,
  DURATION_SUM_US,
  EVENT_TYPES,
  FIELD_PREFIXES,
  FIELDS,
  HISTOGRAM_BOUNDS_S,
  METHODS,
  MINUTE_S,
  OTHER_METHOD,
  USER_SETS,
} from '../store/summary-schema.js';
import type { Fact } from './facts.js';
import type { SeriesRegistry } from './series-registry.js';

export type { BusinessTypes };

type Counts = Record<string, number>;
/** Each name stands once, and not with each of its fields: that is a third of a delta as JSON. In Redis a TAB joins them. */
type NamedCounts = Record<string, Counts>;

/**
 * What a batch of rows adds to the summaries in Redis. Sums only, or the larger of two values: deltas can be applied in
 * any order and grouping and give the same.
 */
export interface SummaryDelta {
  /** Start of the minute (seconds since 1970) → field → how many. Hours and days follow from it. */
  readonly minutes: Record<string, Counts>;
  /** The same by service: minute → service → field → how many. */
  readonly services: Record<string, NamedCounts>;
  /** The same two for fields of which the larger value stays. */
  readonly maxima: Record<string, Counts>;
  readonly serviceMaxima: Record<string, NamedCounts>;
  /** Counters since the beginning, for Prometheus: `<service> TAB <method> TAB <endpoint>` → status → how many. */
  readonly http: NamedCounts;
  /** The same series → bucket or `sum`. */
  readonly duration: NamedCounts;
  /** Event type → how many. */
  readonly events: Counts;
  /** `<service> TAB <metric>` → time in ms, sequence and value of the latest measurement. */
  readonly gauges: Record<string, readonly [timeMs: number, sequence: number, value: number]>;
  /** Service → time in ms of its last event. */
  readonly seen: Record<string, number>;
  /** Set → user → time in ms of the user's last event of that set. */
  readonly users: Record<string, Record<string, number>>;
}

/**
 * Most rows that one delta is made of. The largest response time (2^31 ms, in microseconds) and the largest message
 * (2^40 bytes) times this stay below 2^53, so every sum in a delta is exact.
 */
export const MAX_ROWS_PER_DELTA = 4_000;

/** Folds rows into one delta. The only state is which series exist. */
export function foldDelta(
  facts: Iterable<{ readonly fact: Fact; readonly sequence: number }>,
  registry: SeriesRegistry,
  business: BusinessTypes,
): SummaryDelta {
  const delta = emptyDelta();
  for (const each of facts) addToDelta(delta, each, registry, business);
  return delta;
}

/** Folds one more row into a delta, of `MAX_ROWS_PER_DELTA` at most. */
export function addToDelta(
  delta: SummaryDelta,
  { fact, sequence }: { readonly fact: Fact; readonly sequence: number },
  registry: SeriesRegistry,
  business: BusinessTypes,
): void {
  if (fact.kind === 'api') addApi(delta, fact, sequence, registry);
  else if (fact.kind === 'user') addUser(delta, fact, sequence, registry, business);
  else addSystem(delta, fact, registry);
}

/** Names come from outside: without a prototype, a service called `constructor` is a name like any other. */
function emptyRecord<T>(): Record<string, T> {
  return Object.create(null);
}

/** A delta that adds nothing. */
export function emptyDelta(): SummaryDelta {
  return {
    minutes: emptyRecord(),
    services: emptyRecord(),
    maxima: emptyRecord(),
    serviceMaxima: emptyRecord(),
    http: emptyRecord(),
    duration: emptyRecord(),
    events: emptyRecord(),
    gauges: emptyRecord(),
    seen: emptyRecord(),
    users: emptyRecord(),
  };
}

const LATENCY_FIELDS = BUCKET_BOUNDS.map((_, bucket) => `${FIELD_PREFIXES.latency}${bucket}`);

function addApi(delta: SummaryDelta, fact: Fact & { kind: 'api' }, sequence: number, registry: SeriesRegistry): void {
  const service = registry.label('service', fact.serviceName, sequence);
  const minuteStart = minuteOf(fact.timeMs);
  const minute = under(delta.minutes, minuteStart);
  const byService = under(under(delta.services, minuteStart), service);
  const both = (field: string, by: number): void => {
    add(minute, field, by);
    add(byService, field, by);
  };
  both(FIELDS.requests, 1);
  if (fact.statusCode >= 500) both(FIELDS.errors, 1);
  addSize(minute, FIELDS.requestBytes, FIELD_PREFIXES.requestSize, fact.requestBytes);
  addSize(minute, FIELDS.responseBytes, FIELD_PREFIXES.responseSize, fact.responseBytes);
  add(minute, `${FIELD_PREFIXES.status}${fact.statusCode}`, 1);
  if (fact.responseTimeUs !== null) {
    both(FIELDS.timedRequests, 1);
    both(FIELDS.responseTimeUs, fact.responseTimeUs);
    both(LATENCY_FIELDS[bucketOf(fact.responseTimeUs)] ?? '', 1);
    const field = FIELDS.maxResponseTimeUs;
    raise(under(delta.maxima, minuteStart), field, fact.responseTimeUs);
    raise(under(under(delta.serviceMaxima, minuteStart), service), field, fact.responseTimeUs);
  }
  addCounters(delta, fact, service, sequence, registry);
  see(delta, service, fact.timeMs);
}

/** Sizes are told of the platform alone: the health of a service does not ask for them. */
function addSize(minute: Counts, sum: string, buckets: string, bytes: number | null): void {
  if (bytes === null) return;
  add(minute, sum, bytes);
  add(minute, `${buckets}${bucketOf(bytes)}`, 1);
}

/** The counters that Prometheus scrapes. */
function addCounters(
  delta: SummaryDelta,
  fact: Fact & { kind: 'api' },
  service: string,
  sequence: number,
  registry: SeriesRegistry,
): void {
  const method = METHODS.has(fact.method) ? fact.method : OTHER_METHOD;
  const series = registry.httpSeries(service, method, fact.route, sequence);
  add(under(delta.http, series), registry.httpStatus(series, fact.statusCode, sequence), 1);
  if (fact.responseTimeUs === null) return;
  const duration = under(delta.duration, series);
  add(duration, String(histogramBucket(fact.responseTimeUs)), 1);
  add(duration, DURATION_SUM_US, fact.responseTimeUs);
}

/** Index of the histogram's bucket, as many as there are bounds for +Inf. */
export function histogramBucket(responseTimeUs: number): number {
  const index = HISTOGRAM_BOUNDS_S.findIndex((bound) => responseTimeUs <= bound * 1e6);
  return index === -1 ? HISTOGRAM_BOUNDS_S.length : index;
}

function addUser(
  delta: SummaryDelta,
  fact: Fact & { kind: 'user' },
  sequence: number,
  registry: SeriesRegistry,
  business: BusinessTypes,
): void {
  const { eventType, userId, timeMs } = fact;
  const label = registry.label('event_type', eventType, sequence);
  const minute = under(delta.minutes, minuteOf(timeMs));
  add(minute, `${FIELD_PREFIXES.event}${label}`, 1);
  add(delta.events, label, 1);
  for (const count of businessCountsOf(eventType, business)) add(minute, `${FIELD_PREFIXES.business}${count}`, 1);
  if (eventType === EVENT_TYPES.login) seeUser(delta, USER_SETS.login, userId, timeMs);
  if (isPatientEvent(eventType, business)) seeUser(delta, USER_SETS.patient, userId, timeMs);
  if (fact.feature === null) return;
  const feature = registry.label('feature', fact.feature, sequence);
  add(minute, `${FIELD_PREFIXES.feature}${feature}`, 1);
  seeUser(delta, `${USER_SETS.featurePrefix}${feature}`, userId, timeMs);
}

/** The business numbers that an event type counts for. */
export function businessCountsOf(eventType: string, business: BusinessTypes): string[] {
  const counts: string[] = [];
  if (business.appointmentsCreated.includes(eventType)) counts.push(BUSINESS_COUNTS.appointmentsCreated);
  if (business.notificationsSent.includes(eventType)) counts.push(BUSINESS_COUNTS.notificationsSent);
  if (business.deviceRegistrations.includes(eventType)) counts.push(BUSINESS_COUNTS.deviceRegistrations);
  if (isPatientEvent(eventType, business)) counts.push(BUSINESS_COUNTS.patientEvents);
  return counts;
}

function isPatientEvent(eventType: string, business: BusinessTypes): boolean {
  return business.patientEngagementPrefixes.some((prefix) => eventType.startsWith(prefix));
}

function addSystem(delta: SummaryDelta, fact: Fact & { kind: 'system' }, registry: SeriesRegistry): void {
  const { timeMs, sequence, value } = fact;
  const service = registry.label('service', fact.serviceName, sequence);
  see(delta, service, timeMs);
  // A gauge of `other` would be one service's value under another's name, so there is none.
  const series = registry.gauge(fact.serviceName, fact.metricName, sequence);
  if (series === undefined) return;
  const known = delta.gauges[series];
  if (known === undefined || isLater(timeMs, sequence, known)) delta.gauges[series] = [timeMs, sequence, value];
}

function isLater(
  timeMs: number,
  sequence: number,
  [knownTimeMs, knownSequence]: readonly [number, number, number],
): boolean {
  return timeMs > knownTimeMs || (timeMs === knownTimeMs && sequence > knownSequence);
}

function see(delta: SummaryDelta, service: string, timeMs: number): void {
  raise(delta.seen, service, timeMs);
}

function seeUser(delta: SummaryDelta, set: string, userId: number | null, timeMs: number): void {
  if (userId === null) return;
  raise(under(delta.users, set), String(userId), timeMs);
}

function minuteOf(timeMs: number): string {
  return String(Math.floor(timeMs / 1000 / MINUTE_S) * MINUTE_S);
}

/** The record that stands under a key; an empty one at first. */
export function under<T>(groups: Record<string, Record<string, T>>, key: string): Record<string, T> {
  const found = groups[key];
  if (found !== undefined) return found;
  const made = emptyRecord<T>();
  groups[key] = made;
  return made;
}

function add(counts: Counts, field: string, by: number): void {
  counts[field] = (counts[field] ?? 0) + by;
}

function raise(values: Counts, field: string, value: number): void {
  values[field] = Math.max(values[field] ?? 0, value);
}
