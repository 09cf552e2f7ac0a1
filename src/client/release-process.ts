import type { NatsConnection } from 'nats';

/**
 * Lets the process end although the connection is open, as far as that connection is concerned: a program that has
 * nothing left to do is to end by itself, and what is in the buffer is sent on `beforeExit`.
 *
 * The NATS client (2.29, the last of its line) has no option for that, so its socket and its timer are looked up. In a
 * version that keeps them elsewhere nothing is found, and the process ends when the publisher is closed.
 */
export function releaseProcess(connection: NatsConnection): void {
  unref(lookUp(connection, ['protocol', 'transport', 'socket']));
  unref(lookUp(connection, ['protocol', 'heartbeats', 'timer']));
}

function lookUp(start: unknown, path: readonly string[]): unknown {
  let found = start;
  for (const key of path) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = Reflect.get(found, key);
  }
  return found;
}

function unref(resource: unknown): void {
  if (typeof resource !== 'object' || resource === null) return;
  const method: unknown = Reflect.get(resource, 'unref');
  if (typeof method === 'function') Reflect.apply(method, resource, []);
}
