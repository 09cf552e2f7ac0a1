import type { LogConfig } from '../config.js';
import { codecOf, decodeMessage } from '../events/codec.js';
import { Appender } from '../stream/append.js';
import { ConnectionWatch, connectNats } from '../stream/connection.js';
import type { ReplayParts } from '../stream/replay-letters.js';

/** What reading and replaying dead letters takes. */
export interface DeadLetterParts extends ReplayParts {
  close(): Promise<void>;
}

/**
 * Connects to the streams, with the decoder that the service of this configuration has.
 *
 * @throws where no server of NATS answers
 */
export async function openDeadLetters(config: LogConfig): Promise<DeadLetterParts> {
  const codec = codecOf(config);
  const connection = await connectNats(config.nats, 'metrics deadletters');
  const watch = new ConnectionWatch(connection);
  const appender = new Appender(connection, watch);
  return {
    connection,
    watch,
    manager: await connection.jetstreamManager(),
    appender,
    decode: (message) => decodeMessage(message, codec),
    now: Date.now,
    close: async () => {
      appender.close();
      await connection.close();
    },
  };
}
