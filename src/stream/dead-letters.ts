import { headers, type MsgHdrs } from 'nats';
import type { LogMessage } from '../events/codec.js';
import type { Refusal } from '../events/refusals.js';
import { formatTime } from '../events/time.js';
import type { Appender } from './append.js';
import { DEAD_LETTER_PREFIX } from './streams.js';

/** A message of the log that no table takes, with the reason. */
export interface DeadLetter {
  readonly message: LogMessage;
  readonly refusal: Refusal;
}

/** Headers that a dead letter carries beside the original ones. */
export const DEAD_LETTER_HEADERS = {
  reason: 'Metrics-Reason',
  detail: 'Metrics-Detail',
  sequence: 'Metrics-Stream-Sequence',
  subject: 'Metrics-Subject',
  time: 'Metrics-Time',
  originalId: 'Metrics-Original-Id',
  truncated: 'Metrics-Truncated',
} as const;

const MAX_DETAIL_CHARACTERS = 500;
const HEADER_ROOM_BYTES = 8_192;
/** CloudEvents attributes and content type are what a replay needs to decode the payload again. */
const KEPT_HEADERS = ['Content-Type', 'ce-specversion', 'ce-id', 'ce-source', 'ce-type', 'ce-time'] as const;

/**
 * Parks messages in METRICS_DEADLETTERS. The id is made of the stream sequence, so that parking one again, after a
 * crash between this and the commit, adds nothing.
 *
 * @param maxPayloadBytes what the server takes for headers and payload together; a longer payload is cut, because the
 *   whole message still stands in METRICS under its sequence
 * @returns whether all were acknowledged; if not, the batch is tried again
 */
export async function parkDeadLetters(
  appender: Appender,
  letters: readonly DeadLetter[],
  maxPayloadBytes: number,
): Promise<boolean> {
  const requests = letters.map(({ message, refusal }) => {
    const payload = message.data.subarray(0, Math.max(0, maxPayloadBytes - HEADER_ROOM_BYTES));
    const truncated = payload.length < message.data.length;
    return {
      id: `deadletter-${message.sequence}`,
      subject: `${DEAD_LETTER_PREFIX}.${refusal.reason}`,
      payload,
      headers: describe(message, refusal, truncated),
    };
  });
  const result = await appender.appendAll(requests);
  return result.kind === 'stored';
}

function describe(message: LogMessage, refusal: Refusal, truncated: boolean): MsgHdrs {
  const described = headers();
  const set = (name: string, value: string | undefined): void => {
    if (value !== undefined) described.set(name, headerText(value));
  };
  for (const name of KEPT_HEADERS) set(name, message.header(name));
  const { reason, detail, sequence, subject, time, originalId } = DEAD_LETTER_HEADERS;
  set(reason, refusal.reason);
  set(detail, refusal.errors.map((error) => `${error.pointer} ${error.detail}`.trim()).join('; '));
  set(sequence, String(message.sequence));
  set(subject, message.subject);
  set(time, formatTime(message.storedAtMs));
  set(originalId, message.header('Nats-Msg-Id'));
  if (truncated) set(DEAD_LETTER_HEADERS.truncated, 'true');
  return described;
}

/** A header is one line of printable ASCII; whatever came from outside is cut to that. */
function headerText(value: string): string {
  return value.replace(/[^\x20-\x7e]/g, '?').slice(0, MAX_DETAIL_CHARACTERS);
}
