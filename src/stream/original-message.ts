import type { LogMessage } from '../events/codec.js';
import { VERSION_HEADER } from '../events/codec.js';
import type { JetStreamManager } from './connection.js';
import { DEAD_LETTER_HEADERS } from './dead-letters.js';
import type { Letter } from './letters.js';
import { readMessage } from './read-message.js';
import { EVENTS_STREAM } from './streams.js';

/** The message that a letter is of. */
export type Original =
  | {
      readonly kind: 'found';
      readonly message: LogMessage;
      /** Whether METRICS has another message at its sequence: an id that is made of the sequence is then that one's. */
      readonly isPlaceTaken: boolean;
    }
  /** The letter holds a part of it, and METRICS has it no longer. */
  | { readonly kind: 'gone' };

const OUR_HEADER = /^(?:nats-|metrics-)/i;

/**
 * The original of a letter: as METRICS has it, where it is there still, else as the letter keeps it. Its sequence and time
 * are those under which it was stored.
 *
 * @param parked the letter as a message, with its payload
 * @param lastSequence of METRICS; a letter of a later one is of a stream that was made anew since
 * @throws NatsError where JetStream does not answer
 */
export async function readOriginal(
  manager: JetStreamManager,
  letter: Letter,
  parked: LogMessage,
  lastSequence: number,
): Promise<Original> {
  const { logSequence: sequence, atMs: storedAtMs, subject } = letter;
  const stored = await readMessage(manager, EVENTS_STREAM, sequence);
  if (stored?.storedAtMs === storedAtMs) return { kind: 'found', message: stored, isPlaceTaken: false };
  if (letter.isTruncated) return { kind: 'gone' };
  const message = { subject, data: parked.data, header: originalHeaders(parked), sequence, storedAtMs };
  return { kind: 'found', message, isPlaceTaken: stored !== undefined || sequence > lastSequence };
}

/** Of the headers that tell JetStream and us what to do, a letter has those of its own. */
function originalHeaders({ header }: LogMessage): LogMessage['header'] {
  return (name) => {
    if (name.toLowerCase() === 'nats-msg-id') return header(DEAD_LETTER_HEADERS.originalId);
    const isOurs = OUR_HEADER.test(name) && name.toLowerCase() !== VERSION_HEADER.toLowerCase();
    return isOurs ? undefined : header(name);
  };
}
