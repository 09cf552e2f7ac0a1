/** The three servers that the service stands on. */
export type ServerKind = 'nats' | 'postgres' | 'redis';

export const SERVER_KINDS: readonly ServerKind[] = ['nats', 'postgres', 'redis'];

/** How a server was come by, in the order in which the ways are tried. */
export type Way = 'environment' | 'running' | 'program' | 'container' | 'apt';

/** A server that can be used; ended by `stop()` only where we started it. */
export interface ManagedServer {
  readonly kind: ServerKind;
  readonly way: Way;
  readonly port: number;
  readonly url: string;
  /** Process id while it runs on this machine as a child of ours, else undefined. */
  readonly pid: number | undefined;
  /** Sends a signal (SIGKILL unless told) and resolves when the server has ended. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Sends SIGSTOP, SIGCONT and the like to the server and its workers; does not wait. */
  signal(signal: NodeJS.Signals): void;
  /** Starts it again on the same port with the same data; resolves when it answers. */
  start(): Promise<void>;
  /** Ends it gracefully within `boundMs`, with SIGKILL past the bound. Ending twice is harmless. */
  stop(boundMs?: number): Promise<void>;
}

/** Where the servers' programs are, and what their processes need in the environment. */
export interface Programs {
  natsServer: string;
  /** The folder that holds `postgres` and `initdb`. */
  postgresBin: string;
  redisServer: string;
  /** Added to the environment of each server, for example LD_LIBRARY_PATH. */
  env: Record<string, string>;
}

/** Takes one line for the person at the terminal, without a line break. */
export type Log = (line: string) => void;
