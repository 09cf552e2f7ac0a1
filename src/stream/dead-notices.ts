import { headers } from 'nats';
import { formatTime } from '../events/time.js';
import type { Appender } from './append.js';
import { DEAD_LETTER_HEADERS } from './dead-letters.js';
import { ALERT_SUBJECT, DEAD_LETTER_PREFIX } from './streams.js';

/** A notice that no channel took, with the reason. */
export interface DeadNotice {
  readonly channel: string;
  readonly key: string;
  /** A name, which holds no address. */
  readonly reason: string;
  /** Sequence in METRICS_ALERTS of the last transition that it tells of. */
  readonly throughSequence: number;
  /** When it was given up, ms since 1970. */
  readonly atMs: number;
  /** What it told, as JSON. */
  readonly payload: Uint8Array;
}

/**
 * Parks a notice in METRICS_DEADLETTERS as `metrics.deadletter.notification_failed`. The id is made of its key, so parking
 * it again adds nothing.
 *
 * @returns whether it was acknowledged
 */
export async function parkNotice(appender: Appender, notice: DeadNotice): Promise<boolean> {
  const { channel, key, reason, throughSequence, atMs, payload } = notice;
  const described = headers();
  described.set(DEAD_LETTER_HEADERS.reason, 'notification_failed');
  described.set(DEAD_LETTER_HEADERS.detail, `${channel}: ${reason}`);
  described.set(DEAD_LETTER_HEADERS.sequence, String(throughSequence));
  described.set(DEAD_LETTER_HEADERS.subject, ALERT_SUBJECT);
  described.set(DEAD_LETTER_HEADERS.time, formatTime(atMs));
  described.set(DEAD_LETTER_HEADERS.originalId, key);
  described.set('Content-Type', 'application/json');
  const subject = `${DEAD_LETTER_PREFIX}.notification_failed`;
  return (await appender.append(subject, payload, `notice-${channel}-${key}`, described)).kind === 'stored';
}
