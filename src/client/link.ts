import { DebugEvents, Events, type NatsConnection } from 'nats';

/** Told when events can be sent, and when they cannot any more. Each `onUp` but the first follows an `onDown`. */
export interface LinkListener {
  readonly onUp: (connection: NatsConnection) => void;
  readonly onDown: () => void;
}

/** The way to NATS. */
export interface Link {
  /** Gives up what is the publisher's own. Never rejects. */
  close(): Promise<void>;
}

/** Follows a connection that somebody else has made, and who will close it. */
export function followConnection(connection: NatsConnection, { onUp, onDown }: LinkListener): Link {
  let state: 'up' | 'down' | 'closed' = 'down';
  const set = (next: 'up' | 'down'): void => {
    if (state === 'closed' || state === next) return;
    state = next;
    if (next === 'up') onUp(connection);
    else onDown();
  };
  const follow = async (): Promise<void> => {
    for await (const { type } of connection.status()) {
      // Who comes while the connection is down already hears of no disconnect any more, but of each attempt.
      if (type === Events.Disconnect || type === DebugEvents.Reconnecting) set('down');
      if (type === Events.Reconnect) set('up');
    }
  };
  if (!connection.isClosed()) set('up');
  // The iterator ends, and the promise is settled, when the connection is closed for good.
  follow().then(
    () => set('down'),
    () => set('down'),
  );
  return {
    close: () => {
      state = 'closed';
      return Promise.resolve();
    },
  };
}
