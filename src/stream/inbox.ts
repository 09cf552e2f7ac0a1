import { createInbox, type NatsConnection } from 'nats';

/**
 * The prefix that each connection was opened with. The client keeps it to itself, and makes inboxes of its own from it, but
 * those that we subscribe to have to be below it, too, where an account lets us subscribe to nothing else.
 */
const prefixes = new WeakMap<NatsConnection, string>();

export function keepInboxPrefix(connection: NatsConnection, prefix: string): void {
  prefixes.set(connection, prefix);
}

/** A subject that nobody else has, for answers that come over this connection. */
export function newInbox(connection: NatsConnection): string {
  return createInbox(prefixes.get(connection));
}
