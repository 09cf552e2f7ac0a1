import type { LogEvent } from '../events/kinds.js';
import type { ConditionContext, Thresholds } from './condition.js';
import { type AlertState, demandsOf, measuresOf, step, type Transition } from './evaluate.js';
import type { AlertRule } from './rule.js';
import { PLATFORM, SlidingWindows, type WindowView } from './sliding-windows.js';
import { TimeBucket } from './time-buckets.js';

/** An event may be stored so long after the end of its bucket and still count for it. */
export const GRACE_MS = 5_000;

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

/** A rule, and where it stands with each service; who is inactive has no state. */
interface RuleStates {
  readonly rule: AlertRule;
  readonly states: Map<string, AlertState>;
  /** It may begin to hold although nothing happened. */
  readonly changesWithTime: boolean;
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
  readonly #rules: ReadonlyMap<string, RuleStates>;
  readonly #windows: SlidingWindows;
  readonly #open = new Map<number, TimeBucket>();
  readonly #intervalMs: number;
  #closedUntilMs: number;
  #late = 0;
  /** Somebody else has changed states: what is inactive now may hold all the same. */
  #mayAllHold = false;

  constructor(options: EngineOptions) {
    this.#intervalMs = options.intervalMs;
    this.#closedUntilMs = options.closedUntilMs;
    this.#rules = new Map(
      options.rules.map((rule) => {
        const changesWithTime = measuresOf(rule).includes('seconds_since_seen');
        return [rule.name, { rule, states: new Map<string, AlertState>(), changesWithTime }];
      }),
    );
    this.#windows = new SlidingWindows(demandsOf(options.rules), options.intervalMs, options.thresholds, options.seen);
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
   * seen to fire keeps the time at which it had its last reason to. What fired by this engine alone has waited out its
   * `for` already: it fires at the next evaluation, if its condition holds then.
   */
  setFiring(firing: Iterable<FiringSince>): void {
    const told = new Set<AlertState>();
    for (const { rule, service, startsAtMs, value } of firing) {
      const states = this.#rules.get(rule)?.states;
      if (states === undefined) continue;
      const known = states.get(service ?? PLATFORM);
      const state: AlertState =
        known?.kind === 'firing'
          ? { ...known, startsAtMs }
          : { kind: 'firing', startsAtMs, lastHeldMs: this.#closedUntilMs, value };
      states.set(service ?? PLATFORM, state);
      told.add(state);
    }
    for (const { rule, states } of this.#rules.values()) {
      for (const [service, state] of states) {
        if (state.kind !== 'firing' || told.has(state)) continue;
        states.set(service, { kind: 'pending', sinceMs: state.startsAtMs - rule.forMs, value: state.value });
      }
    }
    this.#mayAllHold = true;
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
    let bucket = this.#open.get(startMs);
    if (bucket === undefined) {
      bucket = new TimeBucket(startMs);
      this.#open.set(startMs, bucket);
    }
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
    const transitions: Transition[] = [];
    for (const each of this.#rules.values()) {
      const { by, windowMs } = each.rule;
      if (by === 'none') this.#evaluate(each, this.#windows.platform(windowMs), transitions);
      else for (const view of this.#windows.services(windowMs)) this.#evaluate(each, view, transitions);
    }
    this.#mayAllHold = false;
    return transitions;
  }

  #evaluate({ rule, states, changesWithTime }: RuleStates, view: WindowView, transitions: Transition[]): void {
    const before = states.size === 0 ? undefined : states.get(view.service);
    // What did not hold the last time does not hold now, if nothing has changed.
    if (before === undefined && !view.isChanged && !changesWithTime && !this.#mayAllHold) return;
    const after = step(rule, before, view.context, this.#closedUntilMs);
    if (after === before) return;
    if (after === undefined) states.delete(view.service);
    else states.set(view.service, after);
    const transition = this.#transition(rule, view.service, before, after, view.context);
    if (transition !== undefined) transitions.push(transition);
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
}
