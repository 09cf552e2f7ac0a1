import type { Msg } from 'nats';

/** Why an event could not be appended now: also the label of `metrics_service_appends_refused_total`. */
export const UNAVAILABLE_REASONS = [
  'disconnected',
  'no_acknowledgement',
  'too_many_in_flight',
  'stream_full',
  'stream_missing',
  'refused_by_stream',
] as const;

/** The event could not be appended now. The client keeps it and sends it again with the same id. */
export interface Unavailable {
  readonly kind: 'unavailable';
  readonly reason: (typeof UNAVAILABLE_REASONS)[number];
  readonly retryAfterSeconds: number;
}

/** JetStream's positive acknowledgement. */
export interface Stored {
  readonly kind: 'stored';
  readonly stream: string;
  readonly sequence: number;
  readonly duplicate: boolean;
}

export type AppendResult = Stored | Unavailable;

const MAXIMUM_EXCEEDED = /maximum (messages|bytes|messages per subject) exceeded|insufficient (resources|storage)/;

export function unavailable(reason: Unavailable['reason']): Unavailable {
  return { kind: 'unavailable', reason, retryAfterSeconds: reason === 'stream_full' ? 30 : 1 };
}

interface PubAck {
  readonly stream?: string;
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly description?: string };
}

/** What a PubAck, or the server's "no responders", means. Anything but a positive PubAck is a failure. */
export function readAck(message: Msg): AppendResult {
  if (message.headers?.code === 503) return unavailable('stream_missing');
  let ack: PubAck;
  try {
    ack = message.json<PubAck>();
  } catch {
    return unavailable('refused_by_stream');
  }
  if (typeof ack.stream === 'string' && typeof ack.seq === 'number' && ack.error === undefined) {
    return { kind: 'stored', stream: ack.stream, sequence: ack.seq, duplicate: ack.duplicate === true };
  }
  const description = ack.error?.description ?? '';
  return unavailable(MAXIMUM_EXCEEDED.test(description) ? 'stream_full' : 'refused_by_stream');
}
