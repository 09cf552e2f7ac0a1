import type { LogEvent } from '../events/kinds.js';
import type { ConditionContext, Measure, Thresholds } from './condition.js';
import { type AlertState, eventTypesOf, measuresByWindow, step, type Transition } from './evaluate.js';
import type { AlertRule } from './rule.js';
import { SlidingWindows } from './sliding-windows.js';
import { TimeBucket } from './time-buckets.js';

/** An event may be stored so long after the end of its bucket and still count for it. */
export const GRACE_MS = 5_000;
/** Key of the platform among services, which have no empty name. */
const PLATFORM = '';

export interface EngineOptions {
  readonly rules: readonly AlertRule[];
  /** Length of a bucket: rules are evaluated at the end of each. */
  readonly intervalMs: number;
  readonly thresholds: Thresholds;
  /** Buckets that end up to here are closed; a whole number of intervals, ms since 1970. */
  readonly closedUntilMs: number;
  /** Service → time of its last event before, ms. */
  readonly seen?: Iterable<readonly [service: string, seenMs: number]>;
  /** Alerts that fire at `closedUntilMs`. */
  readonly firing?: Iterable<FiringSince>;
}

/** An alert that fires, as the log of alerts tells of it. */
export interface FiringSince {
  readonly rule: string;
  readonly service: string | undefined;
  readonly startsAtMs: number;
  readonly value: number | null;
}

/**
 * Folds the log, in its order, to transitions of alerts. It is a function of the events, of the times at which they were
 * stored, and of nothing else: live evaluation, catching up after an outage and a back-test are this same function, and
 * give the same. So several processes may evaluate at once, and say the same.
 *
 * Events are cut into buckets by their own time. A bucket closes when the log's time has passed its end by GRACE_MS;
 * what is stored later counts in the tables, and pages nobody.
 */
export class AlertEngine {
  readonly #rules: readonly AlertRule[];
  readonly #windows: SlidingWindows;
  readonly #measures: ReadonlyMap<number, ReadonlySet<Measure>>;
  readonly #open = new Map<number, TimeBucket>();
  /** Rule → service → state; who is inactive has none. */
  readonly #states = new Map<string, Map<string, AlertState>>();
  readonly #intervalMs: number;
  #closedUntilMs: number;
  #late = 0;

  constructor(options: EngineOptions) {
    this.#rules = options.rules;
    this.#intervalMs = options.intervalMs;
    this.#closedUntilMs = options.closedUntilMs;
    this.#measures = measuresByWindow(options.rules);
    this.#windows = new SlidingWindows(
      this.#measures.keys(),
      options.intervalMs,
      options.thresholds,
      eventTypesOf(options.rules),
      options.seen,
    );
    this.setFiring(options.firing ?? []);
  }

  /** End of the last bucket that was closed, ms. */
  get closedUntilMs(): number {
    return this.#closedUntilMs;
  }

  /** Events that were stored too long after their bucket's end. */
  get late(): number {
    return this.#late;
  }

  /** Every service that was ever seen, and when last, ms; up to the last bucket that was closed. */
  seen(): Iterable<readonly [service: string, seenMs: number]> {
    return this.#windows.seen();
  }

  /**
   * Corrects which alerts fire by what the log of alerts tells; those of rules that are not there are left out. Who was
   * seen to fire keeps the time at which it had its last reason to.
   */
  setFiring(firing: Iterable<FiringSince>): void {
    const told = new Set<AlertState>();
    for (const { rule, service, startsAtMs, value } of firing) {
      if (!this.#rules.some(({ name }) => name === rule)) continue;
      const states = this.#statesOf(rule);
      const known = states.get(service ?? PLATFORM);
      const state: AlertState =
        known?.kind === 'firing'
          ? { ...known, startsAtMs }
          : { kind: 'firing', startsAtMs, lastHeldMs: this.#closedUntilMs, value };
      states.set(service ?? PLATFORM, state);
      told.add(state);
    }
    for (const states of this.#states.values()) {
      for (const [service, state] of states) if (state.kind === 'firing' && !told.has(state)) states.delete(service);
    }
  }

  /**
   * Takes the next event of the log.
   *
   * @param storedAtMs when it was stored, which is the log's time
   * @returns what changed at the ends of buckets that the log's time has passed
   */
  take(event: LogEvent, storedAtMs: number): Transition[] {
    const transitions = this.advance(storedAtMs);
    const startMs = Math.floor(event.occurredAtMs / this.#intervalMs) * this.#intervalMs;
    if (startMs < this.#closedUntilMs) {
      this.#late += 1;
      return transitions;
    }
    const bucket = this.#open.get(startMs) ?? new TimeBucket(startMs);
    this.#open.set(startMs, bucket);
    bucket.add(event);
    return transitions;
  }

  /** Lets the log's time go on without an event: everything that was stored up to then has been taken. */
  advance(logTimeMs: number): Transition[] {
    const transitions: Transition[] = [];
    while (this.#closedUntilMs + this.#intervalMs + GRACE_MS <= logTimeMs) transitions.push(...this.#closeNext());
    return transitions;
  }

  #closeNext(): Transition[] {
    const startMs = this.#closedUntilMs;
    this.#closedUntilMs = startMs + this.#intervalMs;
    this.#windows.moveTo(this.#closedUntilMs, this.#open.get(startMs));
    this.#open.delete(startMs);
    const services = [...this.#windows.seen()].map(([service]) => service).sort();
    const ofServices = new Map<number, readonly ConditionContext[]>();
    for (const [windowMs, measures] of this.#measures) {
      ofServices.set(
        windowMs,
        services.map((service) => this.#windows.context(windowMs, service, measures)),
      );
    }
    return this.#rules.flatMap((rule) =>
      rule.by === 'none'
        ? this.#evaluate(rule, [PLATFORM], [this.#platformContext(rule.windowMs)])
        : this.#evaluate(rule, services, ofServices.get(rule.windowMs) ?? []),
    );
  }

  #platformContext(windowMs: number): ConditionContext {
    return this.#windows.context(windowMs, undefined, this.#measures.get(windowMs) ?? new Set());
  }

  /** @param contexts of the services, shared by all rules with the same window */
  #evaluate(rule: AlertRule, services: readonly string[], contexts: readonly ConditionContext[]): Transition[] {
    const transitions: Transition[] = [];
    const states = this.#statesOf(rule.name);
    for (const [index, service] of services.entries()) {
      const context = contexts[index];
      if (context === undefined) continue;
      const before = states.get(service);
      const after = step(rule, before, context, this.#closedUntilMs);
      if (after === before) continue;
      if (after === undefined) states.delete(service);
      else states.set(service, after);
      const transition = this.#transition(rule, service, before, after, context);
      if (transition !== undefined) transitions.push(transition);
    }
    return transitions;
  }

  #transition(
    rule: AlertRule,
    name: string,
    before: AlertState | undefined,
    after: AlertState | undefined,
    context: ConditionContext,
  ): Transition | undefined {
    if (before?.kind === after?.kind) return undefined;
    const common = { rule, service: name === PLATFORM ? undefined : name, atMs: this.#closedUntilMs };
    if (after === undefined) {
      if (before === undefined) return undefined;
      const value = rule.condition.value(context);
      return before.kind === 'firing'
        ? { ...common, to: 'resolved', startsAtMs: before.startsAtMs, value }
        : { ...common, to: 'inactive', startsAtMs: before.sinceMs, value };
    }
    return after.kind === 'firing'
      ? { ...common, to: 'firing', startsAtMs: after.startsAtMs, value: after.value }
      : { ...common, to: 'pending', startsAtMs: after.sinceMs, value: after.value };
  }

  #statesOf(rule: string): Map<string, AlertState> {
    const known = this.#states.get(rule);
    if (known !== undefined) return known;
    const made = new Map<string, AlertState>();
    this.#states.set(rule, made);
    return made;
  }
}
