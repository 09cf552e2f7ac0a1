import type { Redis } from 'ioredis';

/** Waits until the first try to connect has succeeded or failed: before that every command would fail. */
export async function redisAnswered(redis: Redis): Promise<void> {
  if (redis.status === 'ready') return;
  await new Promise((resolve) => redis.once('ready', resolve).once('error', resolve));
}
