import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LocalServer, type LocalServerSpec } from './local-server.js';
import { probeNats } from './probes.js';
import { type StartOptions, startOnPort } from './start-options.js';
import type { ManagedServer } from './types.js';

const READY_TIMEOUT_MS = 30_000;

/** A NATS server's spec; see `startNats`. */
export function natsSpec(options: StartOptions & { config?: string | undefined }, port: number): LocalServerSpec {
  const configFile = join(options.dataDir, 'nats.conf');
  return {
    kind: 'nats',
    way: options.way ?? 'program',
    port,
    url: `nats://127.0.0.1:${port}`,
    launch: {
      command: options.programs.natsServer,
      args: ['-c', configFile],
      env: { ...process.env, ...options.programs.env },
      cwd: options.dataDir,
      logFile: options.logFile ?? join(options.dataDir, 'nats.log'),
    },
    stopSignal: 'SIGTERM',
    readyTimeoutMs: options.readyTimeoutMs ?? READY_TIMEOUT_MS,
    prepare: () => {
      mkdirSync(options.dataDir, { recursive: true });
      writeFileSync(configFile, natsConfig(options.dataDir, port, options.config ?? ''));
    },
    isReady: async () => options.isReady?.(port) ?? (await probeNats({ host: '127.0.0.1', port })).state === 'fits',
    ...(options.onLaunch ? { onLaunch: options.onLaunch } : {}),
  };
}

function natsConfig(dataDir: string, port: number, extra: string): string {
  // JSON's string is a NATS string too, whatever stands in the path.
  return [
    `listen: "127.0.0.1:${port}"`,
    `jetstream { store_dir: ${JSON.stringify(join(dataDir, 'jetstream'))} }`,
    extra,
    '',
  ].join('\n');
}

/**
 * Starts nats-server with JetStream on 127.0.0.1 and resolves when it answers. `config` is text added to nats.conf.
 * Without a port it takes a free one. Throws with the end of the log when it does not come up.
 */
export function startNats(options: StartOptions & { config?: string | undefined }): Promise<ManagedServer> {
  return startOnPort(options, (port) => new LocalServer(natsSpec(options, port)));
}
