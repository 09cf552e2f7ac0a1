import type { Msg } from 'nats';
import type { SendTrouble } from './drop-reporter.js';

export type Acknowledgement =
  | { readonly kind: 'stored'; readonly duplicate: boolean }
  /** The stream takes no message of that size, however often it is sent. */
  | { readonly kind: 'too_large' }
  | { readonly kind: 'trouble'; readonly trouble: SendTrouble };

const MAXIMUM_EXCEEDED = /maximum (messages|bytes|messages per subject) exceeded|insufficient (resources|storage)/;
/** `max_msg_size` of the stream. */
const MESSAGE_TOO_LARGE = 10_054;

/** What JetStream's answer to a message means. Whatever is no positive acknowledgement means that it is not stored. */
export function readAcknowledgement(message: Msg): Acknowledgement {
  // The server's own answer where no stream listens to the subject.
  if (message.headers?.code === 503) return { kind: 'trouble', trouble: 'stream_missing' };
  const answer = parse(message);
  if (typeof answer.stream === 'string' && typeof answer.seq === 'number' && answer.error === undefined) {
    return { kind: 'stored', duplicate: answer.duplicate === true };
  }
  if (answer.error?.err_code === MESSAGE_TOO_LARGE) return { kind: 'too_large' };
  const isFull = MAXIMUM_EXCEEDED.test(answer.error?.description ?? '');
  return { kind: 'trouble', trouble: isFull ? 'stream_full' : 'refused_by_stream' };
}

interface PubAck {
  readonly stream?: unknown;
  readonly seq?: unknown;
  readonly duplicate?: unknown;
  readonly error?: { readonly description?: string; readonly err_code?: unknown };
}

function parse(message: Msg): PubAck {
  try {
    return message.json<PubAck | null>() ?? {};
  } catch {
    return {}; // Not JSON: no acknowledgement.
  }
}
