import type { JetStreamManager } from 'nats';

/** Deletes every stream of a server that is ours alone. @returns their names */
export async function deleteAllStreams(manager: JetStreamManager): Promise<string[]> {
  const names: string[] = [];
  for await (const { config } of manager.streams.list()) names.push(config.name);
  for (const name of names) await manager.streams.delete(name);
  return names;
}
