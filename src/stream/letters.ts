import type { LogMessage } from '../events/codec.js';
import { subjectMatcher } from '../events/sources.js';
import { parseRfc3339 } from '../events/time.js';
import { DEAD_LETTER_HEADERS } from './dead-letters.js';
import { type ReadOptions, readToEnd } from './read-to-end.js';
import { ALERT_SUBJECT, DEAD_LETTER_PREFIX, DEAD_LETTERS_STREAM } from './streams.js';

/** What a message of METRICS_DEADLETTERS says of itself. */
export interface Letter {
  /** In METRICS_DEADLETTERS. */
  readonly sequence: number;
  /** ms since 1970, as `atMs`. */
  readonly parkedAtMs: number;
  /** An event that no table took, a notice that no channel took, or something that this service did not park. */
  readonly kind: 'event' | 'notice' | 'foreign';
  readonly reason: string;
  /** What is wrong where. It may repeat what stood in the message. */
  readonly detail: string;
  /** Where the original came. */
  readonly subject: string;
  /** Its sequence in METRICS, or of a notice in METRICS_ALERTS; 0 where the letter does not say. */
  readonly logSequence: number;
  /** When the original was stored, or the notice given up. */
  readonly atMs: number;
  /** Of the payload. */
  readonly bytes: number;
  /** Whether payload or id were cut; the whole message stands in METRICS. */
  readonly isTruncated: boolean;
}

export interface LetterFilter {
  readonly reason?: string | undefined;
  /** A pattern of NATS for the subject under which the original came. */
  readonly subject?: string | undefined;
  /** By the time at which the original was stored: from then on, and before then. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

/** JetStream tells it where it sends headers alone. */
const SIZE_HEADER = 'Nats-Msg-Size';

/** Reads what a letter says, from its headers alone. */
export function readLetter({ header, subject: parkedUnder, data, sequence, storedAtMs }: LogMessage): Letter {
  const names = DEAD_LETTER_HEADERS;
  const subject = header(names.subject);
  const logSequence = Number(header(names.sequence));
  const atMs = parseRfc3339(header(names.time) ?? '');
  const isWhole = subject !== undefined && atMs !== undefined && Number.isSafeInteger(logSequence) && logSequence > 0;
  const ours = subject === ALERT_SUBJECT ? 'notice' : 'event';
  return {
    sequence,
    parkedAtMs: storedAtMs,
    kind: isWhole ? ours : 'foreign',
    reason: header(names.reason) ?? parkedUnder.slice(DEAD_LETTER_PREFIX.length + 1),
    detail: header(names.detail) ?? '',
    subject: subject ?? parkedUnder,
    logSequence: isWhole ? logSequence : 0,
    atMs: atMs ?? storedAtMs,
    bytes: Number(header(SIZE_HEADER) ?? data.length),
    isTruncated: header(names.truncated) === 'true',
  };
}

/** Whether a letter is one of those that are asked for. */
export function letterMatcher({ reason, subject, fromMs, toMs }: LetterFilter): (letter: Letter) => boolean {
  const matchesSubject = subject === undefined ? () => true : subjectMatcher(subject);
  return (letter) =>
    (reason === undefined || letter.reason === reason) &&
    matchesSubject(letter.subject) &&
    letter.atMs >= (fromMs ?? Number.NEGATIVE_INFINITY) &&
    letter.atMs < (toMs ?? Number.POSITIVE_INFINITY);
}

/**
 * Hands out the letters that are asked for, in the order in which they were parked. Reads headers alone; what is parked
 * meanwhile may be left out.
 *
 * @throws FeedBroken where the connection is lost meanwhile, NatsError where the stream is missing
 */
export async function findLetters(
  reader: ReadOptions,
  filter: LetterFilter,
  take: (letter: Letter) => void,
): Promise<void> {
  const matches = letterMatcher(filter);
  const takeMessage = (message: LogMessage): void => {
    const letter = readLetter(message);
    if (matches(letter)) take(letter);
  };
  await readToEnd(reader, DEAD_LETTERS_STREAM, takeMessage, { headersOnly: true });
}
