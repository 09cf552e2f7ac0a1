import type { EventBus } from '@nestjs/cqrs';
import { pause } from '../../stream/stream-follower.js';
import type { Logger } from '../../telemetry/logger.js';
import type { ServiceMetrics } from '../../telemetry/service-metrics.js';
import type { AlertMessage } from '../alert.js';
import type { BookFeed } from '../book-feed.js';
import type { LatestReader, Publication } from './decide-publication.js';
import { AlertTransitioned, type PublishOutcome, type PublishOutcomes } from './publish-alert.js';

export interface PublisherOptions {
  readonly eventBus: Pick<EventBus, 'publish'>;
  readonly outcomes: PublishOutcomes;
  readonly feed: BookFeed;
  readonly metrics: ServiceMetrics;
  readonly logger: Logger;
  readonly waits?: Partial<PublisherWaits>;
}

export interface PublisherWaits {
  /** Longer than an append may take. */
  readonly outcomeMs: number;
  readonly minRetryMs: number;
  readonly maxRetryMs: number;
  /** To read METRICS_ALERTS to its end. */
  readonly bookMs: number;
}

const WAITS: PublisherWaits = { outcomeMs: 6_000, minRetryMs: 50, maxRetryMs: 5_000, bookMs: 10_000 };
const MAX_ATTEMPTS = 20;

/** A transition could not be published by all attempts. Evaluation begins again where everything is published. */
export class NotPublished extends Error {
  constructor(readonly id: string) {
    super(`Not published after ${MAX_ATTEMPTS} attempts: ${id}`);
    this.name = 'NotPublished';
  }
}

/**
 * Publishes transitions one after the other, each until METRICS_ALERTS is known to have it: handed out as an event, taken
 * up by the saga, appended by the command's handler, and read again. What has no acknowledgement in time is decided
 * again, by what METRICS_ALERTS has by then, and handed out again.
 */
export class TransitionPublisher {
  readonly #waits: PublisherWaits;

  constructor(private readonly options: PublisherOptions) {
    this.#waits = { ...WAITS, ...options.waits };
  }

  /**
   * @param decide whether to publish, by what was published last; asked before each attempt
   * @throws NotPublished, or where JetStream does not answer
   */
  async publish(decide: (latestOf: LatestReader) => Publication, signal: AbortSignal): Promise<void> {
    const { feed, metrics, logger } = this.options;
    let retryMs = this.#waits.minRetryMs;
    let id = '';
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      signal.throwIfAborted();
      const publication = decide((key) => feed.book.latestOf(key));
      if (publication.kind === 'skip') return;
      id = publication.message.id;
      const outcome = await this.#handOut(publication.message);
      if (outcome?.kind === 'stored') return await this.#stored(publication.message, outcome);
      const reason = outcome === undefined ? 'no_outcome' : outcome.kind === 'failed' ? 'failed' : outcome.reason;
      metrics.alertPublishRetries.inc({ reason });
      logger.warn({ id, reason, attempt }, 'A transition was not published, and is tried again');
      await pause(retryMs, signal);
      retryMs = Math.min(this.#waits.maxRetryMs, retryMs * 2);
      await feed.alerts.caughtUp(this.#waits.bookMs);
    }
    throw new NotPublished(id);
  }

  async #handOut(message: AlertMessage): Promise<PublishOutcome | undefined> {
    const { eventBus, outcomes, feed } = this.options;
    const outcome = outcomes.next(message.id, this.#waits.outcomeMs);
    try {
      eventBus.publish(new AlertTransitioned(message, feed.alerts.position));
    } catch (error) {
      outcomes.report(message.id, { kind: 'failed', error });
    }
    return await outcome;
  }

  /** What is decided next has to know of this one. */
  async #stored(message: AlertMessage, { sequence, duplicate }: PublishOutcome & { kind: 'stored' }): Promise<void> {
    const { feed, metrics, logger } = this.options;
    if (!duplicate) {
      metrics.alertTransitions.inc({ status: message.status });
      logger.info({ id: message.id, value: message.value }, `An alert is ${message.status}`);
    }
    if (!(await feed.alerts.reached(sequence, this.#waits.bookMs))) throw new NotPublished(message.id);
  }
}
