import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { ConcealAddresses } from '../events/addresses.js';
import type { CheckedEvent } from '../events/kinds.js';
import { Appender, type Unavailable } from '../stream/append.js';
import { newId } from '../stream/new-id.js';
import { decideEnvelope } from './append-event.js';

/** What became of a batch. Where only a part could be stored, the client sends the whole batch again; events
 * without an id of their own may then be stored twice. */
export type AppendBatchOutcome =
  | { readonly kind: 'stored'; readonly accepted: number; readonly duplicates: number }
  | Unavailable;

/** Append many checked events to the log, in their order. */
export class AppendBatch extends Command<AppendBatchOutcome> {
  constructor(
    readonly events: readonly CheckedEvent[],
    readonly receivedAtMs: number,
  ) {
    super();
  }
}

@CommandHandler(AppendBatch)
export class AppendBatchHandler implements ICommandHandler<AppendBatch> {
  constructor(
    private readonly appender: Appender,
    private readonly conceal: ConcealAddresses,
  ) {}

  async execute({ events, receivedAtMs }: AppendBatch): Promise<AppendBatchOutcome> {
    const envelopes = events.map((event) => decideEnvelope(event, receivedAtMs, newId, this.conceal));
    return await this.appender.appendAll(envelopes);
  }
}
