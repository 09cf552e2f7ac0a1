import { type JetStreamManager, NatsError } from 'nats';

const MESSAGE_NOT_FOUND = 10037;

/** The payload of the last message on a subject; undefined where there is none. @throws where JetStream does not answer */
export async function readLast(
  manager: JetStreamManager,
  stream: string,
  subject: string,
): Promise<Uint8Array | undefined> {
  try {
    return (await manager.streams.getMessage(stream, { last_by_subj: subject })).data;
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === MESSAGE_NOT_FOUND) return undefined;
    throw error;
  }
}
