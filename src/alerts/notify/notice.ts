import { createHash } from 'node:crypto';
import type { AlertMessage } from '../alert.js';
import type { Channel } from '../rule.js';

/**
 * `firing` and `resolved` follow a transition, `still_firing` is a repeat, and `fired_and_resolved` is what began and
 * ended within one group, as after an outage: one line rather than two notices.
 */
export type ToldAs = 'firing' | 'still_firing' | 'resolved' | 'fired_and_resolved';

export interface ToldAlert {
  readonly as: ToldAs;
  readonly alert: AlertMessage;
}

/** One message through one channel. */
export interface Notice {
  readonly channel: Channel;
  /** Made of what the notice tells, so it is the same on every try, and another where anything else is told. */
  readonly key: string;
  /** When it was decided, ms. */
  readonly atMs: number;
  readonly told: readonly ToldAlert[];
}

/** @param parts what the notice tells, in any order */
export function noticeKey(channel: Channel, parts: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify([channel, ...[...parts].sort()]));
  return hash.digest('hex').slice(0, 32);
}

/** Whether what the alert tells of goes on. */
export function goesOn(as: ToldAs): boolean {
  return as === 'firing' || as === 'still_firing';
}
