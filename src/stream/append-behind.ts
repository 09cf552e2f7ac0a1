import { headers } from 'nats';
import type { Appender, AppendResult } from './append.js';

/**
 * Appends a message if the stream still ends with the sequence that the caller has read. So of several processes that
 * decide by what they have read, none appends what another has made untrue meanwhile: it gets `refused_by_stream`, reads
 * on, and decides again.
 */
export function appendBehind(
  appender: Appender,
  lastSequence: number,
  message: { readonly subject: string; readonly payload: Uint8Array; readonly id: string },
): Promise<AppendResult> {
  const behind = headers();
  behind.set('Nats-Expected-Last-Sequence', String(lastSequence));
  return appender.append(message.subject, message.payload, message.id, behind);
}
