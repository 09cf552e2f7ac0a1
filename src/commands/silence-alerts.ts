import { randomUUID } from 'node:crypto';
import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { formatTime } from '../events/time.js';
import type { Silenced } from '../stream/alert-actions.js';
import { Appender, type Unavailable } from '../stream/append.js';
import { type AlertLookup, appendAction } from './append-action.js';

/** Each is compared with each alert. */
export const MAX_SILENCES = 1_000;

export type SilenceOutcome =
  | { readonly kind: 'silenced'; readonly action: Silenced }
  /** Until resolved, of what does not fire, is no silence at all. */
  | { readonly kind: 'nothing_fires' }
  | { readonly kind: 'too_many_silences' }
  | Unavailable;

/** Alerts with these labels are not told, until a time, or until those that fire now have resolved. */
export class SilenceAlerts extends Command<SilenceOutcome> {
  constructor(
    readonly matchers: Readonly<Record<string, string>>,
    /** Undefined: until resolved. */
    readonly untilMs: number | undefined,
    /** Who wants it: the `sub` of their token. */
    readonly by: string,
    readonly comment: string,
    readonly nowMs: number,
  ) {
    super();
  }
}

@CommandHandler(SilenceAlerts)
export class SilenceAlertsHandler implements ICommandHandler<SilenceAlerts> {
  constructor(
    private readonly appender: Appender,
    private readonly lookup: AlertLookup,
  ) {}

  async execute({ matchers, untilMs, by, comment, nowMs }: SilenceAlerts): Promise<SilenceOutcome> {
    if (this.lookup.silences() >= MAX_SILENCES) return { kind: 'too_many_silences' };
    if (untilMs === undefined && this.lookup.firingWith(matchers) === 0) return { kind: 'nothing_fires' };
    const action: Silenced = {
      type: 'silenced',
      id: randomUUID(),
      at: formatTime(nowMs),
      by,
      comment,
      matchers: { ...matchers },
      until: untilMs === undefined ? null : formatTime(untilMs),
    };
    return (await appendAction(this.appender, this.lookup, action)) ?? { kind: 'silenced', action };
  }
}
