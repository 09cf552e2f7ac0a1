import { Command, CommandHandler, type ICommandHandler, type IEvent } from '@nestjs/cqrs';
import type { Appender, AppendResult } from '../../stream/append.js';
import { appendBehind } from '../../stream/append-behind.js';
import { ALERT_SUBJECT } from '../../stream/streams.js';
import { type AlertMessage, encodeAlert } from '../alert.js';

/** A rule began to fire, or ceased to, and METRICS_ALERTS is not known to have it yet. */
export class AlertTransitioned implements IEvent {
  constructor(
    readonly message: AlertMessage,
    /** End of METRICS_ALERTS by which that was decided. */
    readonly lastSequence: number,
  ) {}
}

/** Publish a transition on `metrics.alert`. */
export class PublishAlert extends Command<void> {
  constructor(
    readonly message: AlertMessage,
    readonly lastSequence: number,
  ) {
    super();
  }
}

/** How publishing ended; `failed` where something threw. */
export type PublishOutcome = AppendResult | { readonly kind: 'failed'; readonly error: unknown };

/**
 * Brings the outcome of a command back to the one who handed out its event: neither the EventBus nor a saga waits for
 * what they set off, or tells how it ended.
 */
export class PublishOutcomes {
  readonly #waiting = new Map<string, (outcome: PublishOutcome) => void>();

  /** Waits for the outcome of the transition with this id; undefined where none came within `boundMs`. */
  next(id: string, boundMs: number): Promise<PublishOutcome | undefined> {
    return new Promise((resolve) => {
      const end = (outcome: PublishOutcome | undefined): void => {
        clearTimeout(timer);
        if (this.#waiting.get(id) === end) this.#waiting.delete(id);
        resolve(outcome);
      };
      const timer = setTimeout(() => end(undefined), boundMs);
      this.#waiting.set(id, end);
    });
  }

  /** What nobody waits for any more is let go: the transition is handed out again. */
  report(id: string, outcome: PublishOutcome): void {
    this.#waiting.get(id)?.(outcome);
  }
}

@CommandHandler(PublishAlert)
export class PublishAlertHandler implements ICommandHandler<PublishAlert> {
  constructor(
    private readonly appender: Appender,
    private readonly outcomes: PublishOutcomes,
  ) {}

  /** Throws nothing: what is thrown is an outcome, too. */
  async execute({ message, lastSequence }: PublishAlert): Promise<void> {
    let outcome: PublishOutcome;
    try {
      const { id } = message;
      outcome = await appendBehind(this.appender, lastSequence, {
        subject: ALERT_SUBJECT,
        payload: encodeAlert(message),
        id,
      });
    } catch (error) {
      outcome = { kind: 'failed', error };
    }
    this.outcomes.report(message.id, outcome);
  }
}
