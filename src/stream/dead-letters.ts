import { headers, type MsgHdrs } from 'nats';
import { type LogMessage, VERSION_HEADER } from '../events/codec.js';
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
/** CloudEvents attributes, content type and version are what a replay needs to decode the payload again; they come first. */
const NEEDED_HEADERS = [
  'Content-Type',
  'ce-specversion',
  'ce-id',
  'ce-source',
  'ce-type',
  'ce-time',
  VERSION_HEADER,
] as const;
/** For the other original headers, names included. */
const MAX_OTHER_HEADERS_CHARACTERS = 2_000;
/** Headers that tell JetStream what to do, and our own: those of the original must not be obeyed again. */
const RESERVED_HEADER = /^(?:nats-|metrics-)/i;

/**
 * Parks messages in METRICS_DEADLETTERS. The id is made of sequence and time in the stream, so that parking one again,
 * after a crash between this and the commit, adds nothing, and one of a stream that was made anew is another.
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
    const truncated = payload.length < message.data.length || isIdCut(message);
    return {
      id: `deadletter-${message.sequence}-${message.storedAtMs}`,
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
  for (const name of NEEDED_HEADERS) set(name, message.header(name));
  for (const [name, value] of otherHeaders(message)) set(name, value);
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

/** Whether the letter's id is not the message's: a replay would make another event of it. */
function isIdCut({ header }: LogMessage): boolean {
  return [header('Nats-Msg-Id'), header('ce-id')].some((id) => id !== undefined && headerText(id) !== id);
}

/** The original headers that no replay needs, as many as there is room for. */
function otherHeaders(message: LogMessage): [name: string, value: string][] {
  const needed = new Set<string>(NEEDED_HEADERS.map((name) => name.toLowerCase()));
  let characters = 0;
  return (message.headerNames?.() ?? []).flatMap((name): [string, string][] => {
    const value = message.header(name);
    if (value === undefined || RESERVED_HEADER.test(name) || needed.has(name.toLowerCase())) return [];
    characters += name.length + headerText(value).length;
    return characters <= MAX_OTHER_HEADERS_CHARACTERS ? [[name, value]] : [];
  });
}

/** A header is one line of printable ASCII; whatever came from outside is cut to that. */
function headerText(value: string): string {
  return value.replace(/[^\x20-\x7e]/g, '?').slice(0, MAX_DETAIL_CHARACTERS);
}
