import type { EventBody, LogEvent } from '../../events/kinds.js';
import { AlertEngine, GRACE_MS } from '../alert-engine.js';
import { describeDuration } from '../durations.js';
import type { Transition } from '../evaluate.js';
import type { RuleProblem } from '../parse-rules.js';
import { compareAlerts } from './compare-alerts.js';
import type { FoundAlert, ServiceSeries, TestCase, TestFile } from './test-file.js';

/** Tests play at one time always, so that they say the same always. */
const BEGINNING_MS = Date.UTC(2026, 0, 1);

/**
 * Plays what the services do through the engine that live evaluation has.
 *
 * @returns expectations that are not met; lines are those of the file of tests
 */
export function runTestCase(file: TestFile, test: TestCase): RuleProblem[] {
  const intervalMs = file.evaluationIntervalMs;
  const startMs = Math.ceil(BEGINNING_MS / intervalMs) * intervalMs;
  const engine = new AlertEngine({
    rules: file.rules,
    intervalMs,
    thresholds: file.thresholds,
    closedUntilMs: startMs,
  });
  const alerts = new AlertsOfTest(startMs);
  const player = new Player(engine, test, startMs);
  return test.expectations.flatMap((expectation) => {
    alerts.take(player.playUntil(expectation.evalTimeMs));
    const prefix = `${test.name}: at ${describeDuration(expectation.evalTimeMs)}`;
    return compareAlerts(expectation, alerts.found()).map(({ line, detail }) => ({
      line,
      detail: `${prefix} ${detail}`,
    }));
  });
}

/** Turns series into events, and hands them to the engine in the order of their times. */
class Player {
  #step = 0;
  #sequence = 0;

  constructor(
    private readonly engine: AlertEngine,
    private readonly test: TestCase,
    private readonly startMs: number,
  ) {}

  /** @param untilMs ms from the beginning; what has happened before is judged */
  playUntil(untilMs: number): Transition[] {
    const transitions: Transition[] = [];
    const { intervalMs } = this.test;
    for (; this.#step * intervalMs < untilMs; this.#step += 1) {
      // The log's time stands still at the step's beginning, so that nothing that happens in it is late.
      const storedAtMs = this.startMs + this.#step * intervalMs;
      for (const event of this.#eventsOf(this.#step)) transitions.push(...this.engine.take(event, storedAtMs));
    }
    return [...transitions, ...this.engine.advance(this.startMs + untilMs + GRACE_MS)];
  }

  *#eventsOf(step: number): Generator<LogEvent> {
    for (const service of this.test.services) {
      yield* this.#requests(service, step);
      for (const [metric_name, series] of service.gauges) {
        const value = series[step];
        const body = { service_name: service.service, metric_name };
        if (value !== undefined) yield this.#event({ kind: 'system', body: { ...body, value } }, step, 0);
      }
    }
    for (const [event_type, series] of this.test.events) {
      const count = series[step] ?? 0;
      for (let index = 0; index < count; index += 1) {
        yield this.#event({ kind: 'user', body: { event_type } }, step, index / count);
      }
    }
  }

  *#requests({ service, requests, errors, responseTime }: ServiceSeries, step: number): Generator<LogEvent> {
    const [count, failed, response_time_ms] = [requests[step] ?? 0, errors[step] ?? 0, responseTime[step]];
    const common = { service_name: service, endpoint: '/', method: 'GET' };
    const timed = response_time_ms === undefined ? {} : { response_time_ms };
    for (let index = 0; index < count; index += 1) {
      // Spread as evenly as the requests are: the one at which the share of errors passes the next whole number.
      const isError = Math.floor(((index + 1) * failed) / count) > Math.floor((index * failed) / count);
      const body = { ...common, status_code: isError ? 500 : 200, ...timed };
      yield this.#event({ kind: 'api', body }, step, index / count);
    }
  }

  /** @param share of the step that has passed, 0 to 1 */
  #event(body: EventBody, step: number, share: number): LogEvent {
    this.#sequence += 1;
    const { intervalMs } = this.test;
    const occurredAtMs = this.startMs + Math.floor((step + share) * intervalMs);
    return { ...body, id: String(this.#sequence), sequence: this.#sequence, occurredAtMs, timeFromLog: false };
  }
}

/** Where every alert of a test stands. */
class AlertsOfTest {
  readonly #current = new Map<string, FoundAlert>();
  /** Those that have fired and do not any more. */
  readonly #resolved = new Map<string, FoundAlert>();

  constructor(private readonly startMs: number) {}

  take(transitions: readonly Transition[]): void {
    for (const { rule, service, to, startsAtMs, value } of transitions) {
      const key = `${rule.name} ${service ?? ''}`;
      const labels = {
        ...rule.labels,
        ...(service === undefined ? {} : { service_name: service }),
        severity: rule.severity,
      };
      const alert = { rule, labels, startsAtMs: startsAtMs - this.startMs, value };
      if (to === 'firing' || to === 'pending') this.#current.set(key, { ...alert, status: to });
      else this.#current.delete(key);
      if (to === 'resolved') this.#resolved.set(key, { ...alert, status: to });
      if (to === 'firing') this.#resolved.delete(key);
    }
  }

  found(): FoundAlert[] {
    return [...this.#current.values(), ...this.#resolved.values()];
  }
}
