import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { LocalServer, type LocalServerSpec } from './local-server.js';
import { probeRedis } from './probes.js';
import { type StartOptions, startOnPort } from './start-options.js';
import type { ManagedServer } from './types.js';

const READY_TIMEOUT_MS = 30_000;

export interface RedisOptions extends StartOptions {
  /** Further arguments, for example `['--maxmemory', '64mb']`; they win over ours. */
  args?: readonly string[] | undefined;
}

/** A Redis server's spec; see `startRedis`. */
export function redisSpec(options: RedisOptions, port: number): LocalServerSpec {
  return {
    kind: 'redis',
    way: options.way ?? 'program',
    port,
    url: `redis://127.0.0.1:${port}`,
    launch: {
      command: options.programs.redisServer,
      args: [...redisArgs(options.dataDir, port), ...(options.args ?? [])],
      env: { ...process.env, ...options.programs.env },
      cwd: options.dataDir,
      logFile: options.logFile ?? join(options.dataDir, 'redis.log'),
    },
    stopSignal: 'SIGTERM',
    readyTimeoutMs: options.readyTimeoutMs ?? READY_TIMEOUT_MS,
    prepare: () => mkdirSync(options.dataDir, { recursive: true }),
    isReady: async () => options.isReady?.(port) ?? (await probeRedis({ host: '127.0.0.1', port })).state === 'fits',
    ...(options.onLaunch ? { onLaunch: options.onLaunch } : {}),
  };
}

function redisArgs(dataDir: string, port: number): string[] {
  return [
    ['--port', String(port)],
    ['--bind', '127.0.0.1'],
    ['--dir', dataDir],
    ['--appendonly', 'yes'],
    ['--appendfsync', 'everysec'],
    ['--save', ''],
    // The summaries are no cache: better a refused write than a number that is quietly gone.
    ['--maxmemory-policy', 'noeviction'],
    ['--daemonize', 'no'],
  ].flat();
}

/**
 * Starts redis-server (or valkey-server) on 127.0.0.1 and resolves when it answers PING.
 * Without a port it takes a free one. Throws with the end of the log when it does not come up.
 */
export function startRedis(options: RedisOptions): Promise<ManagedServer> {
  return startOnPort(options, (port) => new LocalServer(redisSpec(options, port)));
}
