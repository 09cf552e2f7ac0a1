import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface Load {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly seconds: number;
  /** What is posted, in turns; without, each request is a GET. */
  readonly bodies?: readonly string[];
  /** The status that every answer has to have; 200 unless told otherwise. */
  readonly status?: number;
}

export interface Loaded {
  /** That were answered in time. */
  readonly requests: number;
  /** All that were answered, those at the very end, too: there is no request without an answer. */
  readonly answered: number;
  readonly seconds: number;
  /** Until the last of them was answered. */
  readonly tookSeconds: number;
  /** What the generator itself took meanwhile. */
  readonly ownCpuSeconds: number;
}

const GRACE_MS = 30_000;

/** Puts a server under load from a process of its own. @throws where an answer had not the expected status */
export async function loadFor(load: Load): Promise<Loaded> {
  const program = new URL('http-load-process.js', import.meta.url).pathname;
  const timeout = Math.ceil(load.seconds) * 1000 + GRACE_MS;
  const running = promisify(execFile)(process.execPath, [program], { timeout });
  running.child.stdin?.end(JSON.stringify(load));
  return JSON.parse((await running).stdout) as Loaded;
}
