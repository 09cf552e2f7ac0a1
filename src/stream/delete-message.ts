import { type JetStreamManager, NatsError } from 'nats';
import { readMessage } from './read-message.js';

/** What is left of a message on disk: what it held is overwritten, which takes ten times as long, or only forgotten. */
export type Removal = 'overwrite' | 'forget';

/**
 * Removes a message, and overwrites what it held unless told otherwise.
 *
 * @returns false where it was not there
 * @throws NatsError where JetStream does not answer, or does not let us
 */
export async function deleteMessage(
  manager: JetStreamManager,
  stream: string,
  sequence: number,
  removal: Removal = 'overwrite',
): Promise<boolean> {
  try {
    return await manager.streams.deleteMessage(stream, sequence, removal === 'overwrite');
  } catch (error) {
    // Another may have removed it meanwhile; the server has several errors for that.
    const isRefusal = error instanceof NatsError && error.api_error !== undefined;
    if (isRefusal && (await readMessage(manager, stream, sequence)) === undefined) return false;
    throw error;
  }
}
