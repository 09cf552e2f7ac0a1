import type { LogEvent } from '../../events/kinds.js';
import type { PublishedFiring } from '../alert-book.js';
import { AlertEngine, type FiringSince, GRACE_MS } from '../alert-engine.js';
import type { Thresholds } from '../condition.js';
import type { Transition } from '../evaluate.js';
import { lookbackMs } from '../lookback.js';
import type { AlertRule } from '../rule.js';
import { isOf } from './decide-publication.js';
import { type EvaluationState, hashOf, type StartPlan } from './evaluation-state.js';
import { SeenHistory } from './seen-history.js';

export interface LiveOptions {
  readonly rules: readonly AlertRule[];
  readonly intervalMs: number;
  readonly thresholds: Thresholds;
  readonly start: StartPlan;
  /** What METRICS_ALERTS says to have fired when the bucket that ends then had been judged. */
  readonly firingAt: (atMs: number) => readonly PublishedFiring[];
}

/**
 * The engine between its start before `closedUntilMs`, where it only learns, and the present: from there on it tells
 * transitions. Pure.
 */
export class LiveEvaluation {
  readonly #engine: AlertEngine;
  readonly #seen: SeenHistory;
  readonly #rules: ReadonlyMap<string, AlertRule>;
  readonly #rulesHash: string;
  /** Rule and service → what fires by this engine. */
  #firing = new Map<string, FiringSince>();
  #isLive = false;

  constructor(private readonly options: LiveOptions) {
    const { start, rules, intervalMs } = options;
    const { beginMs, seen } = start;
    this.#rules = new Map(rules.map((rule) => [rule.name, rule]));
    this.#engine = new AlertEngine({ ...options, closedUntilMs: beginMs, seen, firing: this.#publishedAt(beginMs) });
    this.#seen = new SeenHistory({ atMs: beginMs, seen }, lookbackMs(rules, intervalMs));
    this.#rulesHash = hashOf(rules);
    this.#goLive();
  }

  /** When the log's time has come so far, the next bucket closes. */
  get nextCloseMs(): number {
    return this.#engine.closedUntilMs + this.options.intervalMs + GRACE_MS;
  }

  get closedUntilMs(): number {
    return this.#engine.closedUntilMs;
  }

  /** Whether it has come to where the last evaluation ended, so that transitions are told. */
  get isLive(): boolean {
    return this.#isLive;
  }

  get late(): number {
    return this.#engine.late;
  }

  /** Takes an event. Buckets that the log's time has passed are to be closed before. */
  take(event: LogEvent, storedAtMs: number): void {
    if (storedAtMs >= this.nextCloseMs) throw new Error('The bucket before this event is still open');
    this.#engine.take(event, storedAtMs);
  }

  /** Closes the next bucket, and tells what began or ceased to fire. */
  closeNext(): Transition[] {
    const transitions = this.#engine.advance(this.nextCloseMs);
    this.#seen.note(this.closedUntilMs, this.#engine.seen());
    if (!this.#isLive) {
      this.#goLive();
      return [];
    }
    const told = transitions.filter(({ to }) => to === 'firing' || to === 'resolved');
    for (const { rule, service, to, startsAtMs, value } of told) {
      const key = keyOf({ rule: rule.name, service });
      if (to === 'firing') this.#firing.set(key, { rule: rule.name, service, startsAtMs, value });
      else this.#firing.delete(key);
    }
    return told;
  }

  /**
   * Takes over what METRICS_ALERTS says of this moment, where this engine says otherwise: another process, with rules that
   * were others for a moment, began an alert and may not be there to end it, or ended one that goes on.
   */
  adopt(): void {
    if (!this.#isLive) return;
    const published = this.#publishedAt(this.closedUntilMs);
    const isSame = published.length === this.#firing.size && published.every((each) => this.#firing.has(keyOf(each)));
    if (!isSame) this.#follow(published);
  }

  state(): EvaluationState {
    const { atMs: beginMs, seen } = this.#seen.begin;
    return { closedUntilMs: this.closedUntilMs, beginMs, seen, rulesHash: this.#rulesHash };
  }

  /** What fires by the engine's own account of the past gives way to what was published. */
  #goLive(): void {
    if (this.closedUntilMs < this.options.start.closedUntilMs) return;
    this.#isLive = true;
    this.#follow(this.#publishedAt(this.closedUntilMs));
  }

  #follow(published: readonly FiringSince[]): void {
    this.#engine.setFiring(published);
    this.#firing = new Map(published.map((each) => [keyOf(each), each]));
  }

  /** What fires of the rules as they are. What has other labels than its rule by now is another alert, and an orphan. */
  #publishedAt(atMs: number): PublishedFiring[] {
    return this.options.firingAt(atMs).filter(({ rule, labels }) => isOf(this.#rules.get(rule), labels));
  }
}

function keyOf({ rule, service }: Pick<FiringSince, 'rule' | 'service'>): string {
  return `${rule} ${service ?? ''}`;
}
