import { type JetStreamManager, NatsError, type SeqMsgRequest } from 'nats';

const MESSAGE_NOT_FOUND = 10037;

/** Whether a stream has a message at this sequence or behind it. @throws where JetStream does not answer */
export async function hasMessageFrom(manager: JetStreamManager, stream: string, sequence: number): Promise<boolean> {
  // The server knows the first one on a subject from a sequence on; the client's type of a question does not.
  const question: SeqMsgRequest & { next_by_subj: string } = { seq: sequence, next_by_subj: '>' };
  try {
    await manager.streams.getMessage(stream, question);
    return true;
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === MESSAGE_NOT_FOUND) return false;
    throw error;
  }
}
