import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../../src/cli/program.js';
import type { Environment } from '../../src/config.js';
import { KEPT_CODE, MAIN } from './programs.js';

const ROOT = join(import.meta.dirname, '../../..');
const COMMAND_TIMEOUT_MS = 60_000;
/** What commands listen to. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** How a command line ended, and what it wrote. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in a process of its own, as a person would: for what the process itself does. */
export function runProcess(args: readonly string[], env: Environment, cwd = tmpdir()): Promise<Ended> {
  const options = { cwd, env: { PATH: process.env.PATH, ...KEPT_CODE, ...env }, timeout: COMMAND_TIMEOUT_MS };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, ...args], options, (_error, stdout, stderr) => {
      resolve({ status: child.exitCode, stdout, stderr });
    });
  });
}

let isRunning = false;

/**
 * Runs a command line in this process, which saves the start of another: for what a command says and answers. One at a
 * time, since what is written meanwhile is the command's.
 */
export async function runHere(args: readonly string[], env: Environment): Promise<Ended> {
  if (isRunning) throw new Error('another command runs in this process');
  isRunning = true;
  const before = SIGNALS.map((signal) => ({ signal, listeners: process.listeners(signal) }));
  const out = capture(process.stdout);
  const err = capture(process.stderr);
  try {
    const status = await runProgram(args, { PATH: process.env.PATH, ...env }, ROOT);
    return { status, stdout: out.text(), stderr: err.text() };
  } finally {
    out.end();
    err.end();
    for (const { signal, listeners } of before) {
      for (const added of process.listeners(signal).filter((one) => !listeners.includes(one))) {
        process.off(signal, added);
      }
    }
    isRunning = false;
  }
}

function capture(stream: NodeJS.WriteStream): { text: () => string; end: () => void } {
  const chunks: string[] = [];
  const { write } = stream;
  stream.write = (chunk: string | Uint8Array) => {
    chunks.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString());
    return true;
  };
  return {
    text: () => chunks.join(''),
    end: () => {
      stream.write = write;
    },
  };
}
