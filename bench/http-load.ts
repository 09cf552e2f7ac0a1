import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface Load {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly seconds: number;
}

export interface Loaded {
  /** That were answered in time. */
  readonly requests: number;
  readonly seconds: number;
  /** What the generator itself took. */
  readonly ownCpuSeconds: number;
}

const run = promisify(execFile);
const GRACE_MS = 30_000;

/** Puts a server under load from a process of its own. @throws where an answer was not 200 */
export async function loadFor(load: Load): Promise<Loaded> {
  const program = new URL('http-load-process.js', import.meta.url).pathname;
  const timeout = load.seconds * 1000 + GRACE_MS;
  const { stdout } = await run(process.execPath, [program, JSON.stringify(load)], { timeout });
  return JSON.parse(stdout) as Loaded;
}
