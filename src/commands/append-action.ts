import { type AlertAction, encodeAction } from '../stream/alert-actions.js';
import { Appender, type Unavailable } from '../stream/append.js';
import { ALERT_ACTION_SUBJECT } from '../stream/streams.js';

/** Who saw to an alert first. */
export interface Acknowledgement {
  readonly by: string;
  /** RFC 3339. */
  readonly at: string;
  readonly comment: string;
}

/** What a command about alerts has to know. The composition passes it: commands and alerts never import one another. */
export interface AlertLookup {
  /** Whether an alert fires; undefined where there is none with this id. */
  alertStatus(id: string): 'firing' | 'resolved' | undefined;
  /** How an alert was acknowledged; undefined where it was not. */
  acknowledgement(id: string): Acknowledgement | undefined;
  /** Whether a silence holds; undefined where there is none with this id. */
  silenceHolds(id: string): boolean | undefined;
  /** How many alerts fire now that have these labels. */
  firingWith(matchers: Readonly<Record<string, string>>): number;
  /** Silences that hold now. */
  silences(): number;
  /** Resolves when the answers of this process know of the action with this sequence, or after a bounded wait. */
  known(sequence: number): Promise<void>;
}

/** Appends an action, and waits until this process answers accordingly. Undefined: it is stored. */
export async function appendAction(
  appender: Appender,
  lookup: AlertLookup,
  action: AlertAction,
): Promise<Unavailable | undefined> {
  const result = await appender.append(ALERT_ACTION_SUBJECT, encodeAction(action), action.id);
  if (result.kind === 'unavailable') return result;
  await lookup.known(result.sequence);
  return undefined;
}
