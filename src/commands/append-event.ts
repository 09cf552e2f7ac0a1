import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { ConcealAddresses } from '../events/addresses.js';
import { encodeBody } from '../events/codec.js';
import type { CheckedEvent } from '../events/kinds.js';
import { subjectOf } from '../events/subjects.js';
import { formatTime } from '../events/time.js';
import { Appender, type AppendResult, type Unavailable } from '../stream/append.js';
import { newId } from '../stream/new-id.js';

/** What became of an event that was to be appended; `stored` only with JetStream's positive acknowledgement. */
export type AppendOutcome =
  | {
      readonly kind: 'stored';
      readonly id: string;
      readonly stream: string;
      readonly sequence: number;
      readonly duplicate: boolean;
    }
  | Unavailable;

/** Append one checked event to the log. */
export class AppendEvent extends Command<AppendOutcome> {
  constructor(
    readonly event: CheckedEvent,
    readonly receivedAtMs: number,
  ) {
    super();
  }
}

/** What goes onto the wire for one event. */
export interface Envelope {
  readonly id: string;
  readonly subject: string;
  readonly payload: Uint8Array;
}

/**
 * Decides id and time of an event that a REST client sent. Where the client chose no id, nobody can send the event
 * again under it, so the service also sets the time: then the row is the same whenever the log is read. Addresses are taken
 * out here, because what is in the log stays there.
 */
export function decideEnvelope(
  event: CheckedEvent,
  receivedAtMs: number,
  newId: () => string,
  conceal: ConcealAddresses,
): Envelope {
  const givenId = event.body.id;
  const timeMs = event.occurredAtMs ?? (givenId === undefined ? receivedAtMs : undefined);
  return {
    id: givenId ?? newId(),
    subject: subjectOf(event),
    payload: encodeBody(conceal(event), timeMs === undefined ? undefined : formatTime(timeMs)),
  };
}

@CommandHandler(AppendEvent)
export class AppendEventHandler implements ICommandHandler<AppendEvent> {
  constructor(
    private readonly appender: Appender,
    private readonly conceal: ConcealAddresses,
  ) {}

  async execute({ event, receivedAtMs }: AppendEvent): Promise<AppendOutcome> {
    const envelope = decideEnvelope(event, receivedAtMs, newId, this.conceal);
    const result: AppendResult = await this.appender.append(envelope.subject, envelope.payload, envelope.id);
    return result.kind === 'stored' ? { ...result, id: envelope.id } : result;
  }
}
