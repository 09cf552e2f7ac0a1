import { randomUUID } from 'node:crypto';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { formatTime } from '../events/time.js';
import type { SilenceEnded } from '../stream/alert-actions.js';
import { Appender, type Unavailable } from '../stream/append.js';
import { type AlertLookup, appendAction } from './append-action.js';

export type EndSilenceOutcome = { readonly kind: 'ended' } | { readonly kind: 'unknown_silence' } | Unavailable;

/** A silence holds no longer. One that has ended already is fine. */
export class EndSilence extends Command<EndSilenceOutcome> {
  constructor(
    readonly silenceId: string,
    /** Who ends it: the `sub` of their token. */
    readonly by: string,
    readonly nowMs: number,
  ) {
    super();
  }
}

@CommandHandler(EndSilence)
export class EndSilenceHandler implements ICommandHandler<EndSilence> {
  constructor(
    private readonly appender: Appender,
    private readonly lookup: AlertLookup,
  ) {}

  async execute({ silenceId, by, nowMs }: EndSilence): Promise<EndSilenceOutcome> {
    const holds = this.lookup.silenceHolds(silenceId);
    if (holds === undefined) return { kind: 'unknown_silence' };
    if (!holds) return { kind: 'ended' };
    const action: SilenceEnded = {
      type: 'silence_ended',
      id: randomUUID(),
      at: formatTime(nowMs),
      by,
      comment: '',
      silence_id: silenceId,
    };
    return (await appendAction(this.appender, this.lookup, action)) ?? { kind: 'ended' };
  }
}
