import { type CodecOptions, decodeMessage, type LogMessage } from '../../events/codec.js';
import type { Appender } from '../../stream/append.js';
import type { ConnectionWatch, JetStreamManager, NatsConnection } from '../../stream/connection.js';
import { hasMessageFrom } from '../../stream/has-message.js';
import { LogFeed } from '../../stream/log-feed.js';
import { readLast } from '../../stream/read-last.js';
import { pause } from '../../stream/stream-follower.js';
import { ALERT_STATE_STREAM, ALERT_STATE_SUBJECT, EVENTS_STREAM, findStream } from '../../stream/streams.js';
import type { Logger } from '../../telemetry/logger.js';
import type { ServiceMetrics } from '../../telemetry/service-metrics.js';
import type { BookFeed } from '../book-feed.js';
import type { Thresholds } from '../condition.js';
import type { AlertRule } from '../rule.js';
import { decideOrphan, decidePublication, orphansOf } from './decide-publication.js';
import { decodeState, type EvaluationState, encodeState, hashOf, planStart } from './evaluation-state.js';
import { LiveEvaluation } from './live-evaluation.js';
import type { TransitionPublisher } from './transition-publisher.js';

export interface RunnerOptions {
  readonly connection: NatsConnection;
  readonly watch: ConnectionWatch;
  readonly manager: JetStreamManager;
  readonly appender: Appender;
  readonly feed: BookFeed;
  readonly publisher: Pick<TransitionPublisher, 'publish'>;
  readonly codec: CodecOptions;
  readonly rules: readonly AlertRule[];
  readonly intervalMs: number;
  readonly thresholds: Thresholds;
  readonly metrics: ServiceMetrics;
  readonly logger: Logger;
  readonly now: () => number;
}

const PULL_SIZE = 2_000;
const TAKE_TIMEOUT_MS = 500;
/** How far the clocks of this machine and of NATS may differ. */
const CLOCK_MARGIN_MS = 2_000;
const BOOK_TIMEOUT_MS = 30_000;
const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 10_000;

/**
 * Evaluates the rules over the log for the life of the process. Whatever goes wrong ends one session, and the next begins
 * where everything is published: nothing is lost by that, and nothing is told twice.
 */
export class AlertRunner {
  readonly #stopped = new AbortController();
  #rules: readonly AlertRule[];
  #changed = new AbortController();
  #running: Promise<void> | undefined;

  constructor(private readonly options: RunnerOptions) {
    this.#rules = options.rules;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#changed.abort();
    await this.#running;
  }

  /** Goes on with other rules. Alerts of rules that are gone are resolved. */
  useRules(rules: readonly AlertRule[]): void {
    if (hashOf(rules) === hashOf(this.#rules)) return;
    this.#rules = rules;
    this.#changed.abort();
  }

  async #run(): Promise<void> {
    let retryMs = MIN_RETRY_MS;
    while (!this.#stopped.signal.aborted) {
      this.#changed = new AbortController();
      const signal = AbortSignal.any([this.#stopped.signal, this.#changed.signal]);
      const session = new Session(this.options, this.#rules, signal);
      try {
        await this.options.watch.whenConnected(signal);
        await session.run();
      } catch (error) {
        if (signal.aborted) continue;
        this.options.metrics.alertSessionsBroken.inc();
        this.options.logger.warn({ err: error }, 'The evaluation of alerts broke, and begins again where it was');
        retryMs = session.madeProgress ? MIN_RETRY_MS : Math.min(MAX_RETRY_MS, retryMs * 2);
        await pause(retryMs, this.#stopped.signal);
      }
    }
  }
}

/** Evaluation from where it was, until something breaks, the rules change, or it is stopped. */
class Session {
  madeProgress = false;
  /** Sequence of the last message of the log that was taken. */
  #taken = 0;
  #savedMs = 0;
  #late = 0;
  /** Why the last state was not saved: told once. */
  #trouble = '';
  /** The log's time when it went on by the clock last. */
  #clockMs = 0;

  constructor(
    private readonly options: RunnerOptions,
    private readonly rules: readonly AlertRule[],
    private readonly signal: AbortSignal,
  ) {}

  async run(): Promise<void> {
    const { connection, watch, manager } = this.options;
    const evaluation = await this.#plan();
    const endAtOpening = await this.#logEnd();
    const from = { stream: EVENTS_STREAM, fromMs: evaluation.closedUntilMs, pullSize: PULL_SIZE };
    const { feed } = await LogFeed.openFrom(connection, watch, manager, from);
    if (await feed.isAtEnd(manager)) this.#taken = endAtOpening;
    // Ends a wait for messages at once.
    this.signal.addEventListener('abort', () => feed.close(), { once: true });
    try {
      while (!this.signal.aborted) {
        const messages = await feed.take(PULL_SIZE, TAKE_TIMEOUT_MS);
        for (const message of messages) await this.#take(evaluation, message);
        if (messages.length === 0) await this.#letTimePass(evaluation);
        await this.#save(evaluation);
      }
    } finally {
      await feed.remove(manager).catch(() => undefined);
    }
  }

  /** Reads how far evaluation has come, and makes an engine that knows what is needed there. */
  async #plan(): Promise<LiveEvaluation> {
    const { manager, feed, intervalMs, thresholds, logger, now } = this.options;
    if (!(await feed.alerts.caughtUp(BOOK_TIMEOUT_MS))) throw new Error('METRICS_ALERTS cannot be read to its end');
    const saved = await readLast(manager, ALERT_STATE_STREAM, ALERT_STATE_SUBJECT);
    const found = saved === undefined ? undefined : decodeState(saved);
    if (saved !== undefined && found === undefined) {
      logger.error(
        { stream: ALERT_STATE_STREAM },
        'How far alerts were evaluated cannot be read: evaluation begins now',
      );
    }
    const start = planStart(found, this.rules, intervalMs, now());
    // Who dies before the first interval is over must not begin at a later now.
    if (found === undefined) await this.#append({ ...start, rulesHash: hashOf(this.rules) });
    logger.info(
      { begin: new Date(start.beginMs), closedUntil: new Date(start.closedUntilMs), rules: this.rules.length },
      'Alerts are evaluated',
    );
    const firingAt = (atMs: number) => feed.book.firingAt(atMs);
    return new LiveEvaluation({ rules: this.rules, intervalMs, thresholds, start, firingAt });
  }

  async #take(evaluation: LiveEvaluation, message: LogMessage): Promise<void> {
    await this.#advance(evaluation, message.storedAtMs);
    if (message.storedAtMs < this.#clockMs) this.options.metrics.alertClockAhead.inc();
    const decoded = decodeMessage(message, this.options.codec);
    // What is no event is parked as a dead letter by the projector.
    if (decoded.ok) evaluation.take(decoded.value, message.storedAtMs);
    this.#taken = message.sequence;
  }

  /** Closes the buckets that the log's time has passed, one after the other, and publishes what changed at each. */
  async #advance(evaluation: LiveEvaluation, logTimeMs: number): Promise<void> {
    while (evaluation.nextCloseMs <= logTimeMs) {
      this.signal.throwIfAborted();
      await this.#close(evaluation);
      // A long catch-up must not keep the process from answering.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #close(evaluation: LiveEvaluation): Promise<void> {
    const { metrics, publisher, feed } = this.options;
    const startedMs = performance.now();
    const transitions = evaluation.closeNext();
    metrics.alertEvaluationDuration.observe((performance.now() - startedMs) / 1000);
    metrics.alertEvaluations.inc();
    if (!evaluation.isLive) return;
    for (const transition of transitions) {
      await publisher.publish((latestOf) => decidePublication(transition, latestOf), this.signal);
    }
    for (const orphan of orphansOf(feed.book.firing(), this.rules)) {
      const { closedUntilMs } = evaluation;
      await publisher.publish((latestOf) => decideOrphan(orphan, closedUntilMs, latestOf), this.signal);
    }
    evaluation.adopt();
    metrics.alertEvaluatedUntil.set(evaluation.closedUntilMs / 1000);
    this.madeProgress = true;
  }

  /** While the log is quiet, its time is the clock's: after JetStream has said that there is nothing more to take. */
  async #letTimePass(evaluation: LiveEvaluation): Promise<void> {
    const timeMs = this.options.now() - CLOCK_MARGIN_MS;
    if (timeMs < evaluation.nextCloseMs) return;
    const { manager } = this.options;
    // The last messages may have been erased.
    const isBehind = (await this.#logEnd()) > this.#taken;
    if (isBehind && (await hasMessageFrom(manager, EVENTS_STREAM, this.#taken + 1))) return;
    this.#clockMs = timeMs;
    await this.#advance(evaluation, timeMs);
  }

  /** Sequence of the last message that there is in the log. */
  async #logEnd(): Promise<number> {
    const stream = await findStream(this.options.manager, EVENTS_STREAM);
    if (stream === undefined) throw new Error('METRICS is missing');
    return stream.state.messages === 0 ? 0 : stream.state.last_seq;
  }

  /** Everything up to the last closed bucket is published, so the next start may go on from there. */
  async #save(evaluation: LiveEvaluation): Promise<void> {
    const { metrics } = this.options;
    metrics.alertLateEvents.inc(evaluation.late - this.#late);
    this.#late = evaluation.late;
    if (!evaluation.isLive || evaluation.closedUntilMs <= this.#savedMs) return;
    const state = evaluation.state();
    if (await this.#append(state)) this.#savedMs = state.closedUntilMs;
  }

  /** Not saved is not lost: the next start then reads a little more. */
  async #append(state: EvaluationState): Promise<boolean> {
    const { appender, logger } = this.options;
    const id = `${state.closedUntilMs}:${state.beginMs}:${state.rulesHash}`;
    const result = await appender.append(ALERT_STATE_SUBJECT, encodeState(state), id);
    const trouble = result.kind === 'stored' ? '' : result.reason;
    if (trouble !== '' && trouble !== this.#trouble) {
      logger.warn({ reason: trouble }, 'How far alerts are evaluated cannot be saved now');
    }
    this.#trouble = trouble;
    return trouble === '';
  }
}
