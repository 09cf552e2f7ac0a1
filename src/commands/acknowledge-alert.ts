import { randomUUID } from 'node:crypto';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { formatTime } from '../events/time.js';
import type { Acknowledged } from '../stream/alert-actions.js';
import { Appender, type Unavailable } from '../stream/append.js';
import { type Acknowledgement, type AlertLookup, appendAction } from './append-action.js';

export type AcknowledgeOutcome =
  /** By whoever said so first. */
  | { readonly kind: 'acknowledged'; readonly first: Acknowledgement }
  | { readonly kind: 'unknown_alert' }
  | { readonly kind: 'resolved_already' }
  | Unavailable;

/** Somebody says that they have seen to an alert: it is not told again while it fires. */
export class AcknowledgeAlert extends Command<AcknowledgeOutcome> {
  constructor(
    readonly alertId: string,
    /** Who says so: the `sub` of their token. */
    readonly by: string,
    readonly comment: string,
    readonly nowMs: number,
  ) {
    super();
  }
}

@CommandHandler(AcknowledgeAlert)
export class AcknowledgeAlertHandler implements ICommandHandler<AcknowledgeAlert> {
  constructor(
    private readonly appender: Appender,
    private readonly lookup: AlertLookup,
  ) {}

  async execute({ alertId, by, comment, nowMs }: AcknowledgeAlert): Promise<AcknowledgeOutcome> {
    const status = this.lookup.alertStatus(alertId);
    if (status === undefined) return { kind: 'unknown_alert' };
    if (status === 'resolved') return { kind: 'resolved_already' };
    const before = this.lookup.acknowledgement(alertId);
    if (before !== undefined) return { kind: 'acknowledged', first: before };
    const action: Acknowledged = {
      type: 'acknowledged',
      id: randomUUID(),
      at: formatTime(nowMs),
      by,
      comment,
      alert_id: alertId,
    };
    const unavailable = await appendAction(this.appender, this.lookup, action);
    // Somebody may have said so meanwhile, elsewhere.
    return unavailable ?? { kind: 'acknowledged', first: this.lookup.acknowledgement(alertId) ?? action };
  }
}
