import { type JetStreamManager, Match, NatsError } from 'nats';
import type { LogMessage } from '../events/codec.js';

const MESSAGE_NOT_FOUND = 10037;

/** Reads one message of a stream; undefined where there is none at this sequence. @throws where JetStream does not answer */
export async function readMessage(
  manager: JetStreamManager,
  stream: string,
  sequence: number,
): Promise<LogMessage | undefined> {
  try {
    const { subject, data, header, time } = await manager.streams.getMessage(stream, { seq: sequence });
    const headerOf = (name: string): string | undefined => header.get(name, Match.IgnoreCase) || undefined;
    const headerNames = (): readonly string[] => header.keys();
    return { subject, data, sequence, storedAtMs: time.getTime(), header: headerOf, headerNames };
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === MESSAGE_NOT_FOUND) return undefined;
    throw error;
  }
}
