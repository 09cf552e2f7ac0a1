import { readFileSync } from 'node:fs';
import { Redis, type RedisOptions } from 'ioredis';

export interface RedisSettings {
  readonly host: string;
  readonly port: number;
  /** A user of an access list; `default` where it is unset. */
  readonly username?: string;
  readonly password: string;
  readonly db: number;
  /** Where it is there, nothing is sent but over TLS, to a server whose certificate is good for `host`. Files in PEM. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
}

const CONNECT_TIMEOUT_MS = 2_000;
const MAX_RECONNECT_WAIT_MS = 1_000;

/**
 * Opens a connection that comes back by itself. Commands are never queued while it is away, and never sent twice:
 * the caller learns at once that Redis is away, and decides.
 *
 * @param commandTimeoutMs after it a command fails, so that a stopped Redis holds nobody up
 */
export function openRedis(settings: RedisSettings, commandTimeoutMs: number, onError: (error: Error) => void): Redis {
  const redis = new Redis({
    host: settings.host,
    port: settings.port,
    db: settings.db,
    ...(settings.username === undefined ? {} : { username: settings.username }),
    ...(settings.password === '' ? {} : { password: settings.password }),
    ...tlsOptions(settings),
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: commandTimeoutMs,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(attempt * 50, MAX_RECONNECT_WAIT_MS),
  });
  redis.on('error', onError);
  return redis;
}

function tlsOptions({ tls }: RedisSettings): Pick<RedisOptions, 'tls'> {
  if (tls === undefined) return {};
  const { caFile, certFile, keyFile } = tls;
  return {
    tls: {
      ...(caFile === undefined ? {} : { ca: readFileSync(caFile) }),
      ...(certFile === undefined ? {} : { cert: readFileSync(certFile) }),
      ...(keyFile === undefined ? {} : { key: readFileSync(keyFile) }),
    },
  };
}

/** Waits until a connection that was just opened is ready, or has failed once. @returns whether it is ready */
export async function redisAnswered(redis: Redis): Promise<boolean> {
  if (redis.status === 'ready') return true;
  return await new Promise((resolve) => {
    redis.once('ready', () => resolve(true)).once('error', () => resolve(false));
  });
}
